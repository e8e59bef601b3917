//! The archive: complete, the same wherever it is made, and nothing in it that a pod should not have.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::SystemTime,
};

use image::{Image, Reference, rootfs};
use tar::EntryType;
use tempfile::TempDir;

use crate::{
    program,
    unpacked::{Entry, Unpacked, tar},
};

fn name() -> Reference {
    "apitoken-operator:0.1.0".parse().unwrap()
}

fn image(directory: &Path) -> Image {
    let path = directory.join("program");
    program::build(&path, "+");
    rootfs::operator(&path).unwrap()
}

fn unpacked() -> Unpacked {
    let directory = TempDir::new().unwrap();
    Unpacked::read(&image(directory.path()).pack(&name()).unwrap().0)
}

#[test]
fn it_holds_the_program_certificates_users_and_the_order_of_look_ups_and_nothing_else() {
    let files = unpacked().files;
    let regular = files.iter().filter(|(_, entry)| entry.kind == EntryType::Regular).map(|(path, _)| path.as_str());
    let expected =
        ["apitoken-operator", "etc/group", "etc/nsswitch.conf", "etc/passwd", "etc/ssl/certs/ca-certificates.crt"];
    assert_eq!(regular.collect::<Vec<_>>(), expected);
    let certificates = String::from_utf8_lossy(&files["etc/ssl/certs/ca-certificates.crt"].content);
    assert!(certificates.matches("-----BEGIN CERTIFICATE-----").count() > 100);
}

#[test]
fn everything_is_of_root_and_writable_by_nobody_else_and_nothing_gives_rights() {
    for (path, Entry { kind, mode, owner, modified, .. }) in unpacked().files {
        let plain = [EntryType::Regular, EntryType::Directory].contains(&kind);
        assert!(plain && owner == (0, 0) && modified == 0, "{path}: {kind:?} of {owner:?} at {modified}");
        assert_eq!(mode & 0o7022, 0, "{path} has mode {mode:o}");
    }
}

#[test]
fn it_runs_the_operator_as_a_user_that_is_not_root_by_number() {
    let config = unpacked().config;
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/apitoken-operator"]));
    assert_eq!(config["config"]["Cmd"], serde_json::json!(["run"]));
    assert!(config["config"]["ExposedPorts"].get("8080/tcp").is_some());
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    assert_eq!((&config["os"], &config["architecture"]), (&"linux".into(), &architecture.into()));
    let passwd = unpacked().files.remove("etc/passwd").unwrap().content;
    assert!(String::from_utf8(passwd).unwrap().lines().any(|line| line.starts_with("nonroot:x:65532:65532:")));
}

#[test]
fn engines_find_it_under_its_name() {
    let Unpacked { index, manifest, for_docker, .. } = unpacked();
    let annotations = &index["manifests"][0]["annotations"];
    assert_eq!(annotations["io.containerd.image.name"], "docker.io/library/apitoken-operator:0.1.0");
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "0.1.0");
    assert_eq!(for_docker[0]["RepoTags"][0], "apitoken-operator:0.1.0");
    let blob = |digest: &serde_json::Value| digest.as_str().unwrap().replace("sha256:", "blobs/sha256/");
    assert_eq!(for_docker[0]["Config"], blob(&manifest["config"]["digest"]));
    assert_eq!(for_docker[0]["Layers"][0], blob(&manifest["layers"][0]["digest"]));
}

/// Packs a copy of the program of a time, as a shell of another user would call the tool.
fn packed_elsewhere(program: &Path, umask: &str, time: SystemTime) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let copy = directory.path().join("another-name");
    fs::copy(program, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).unwrap();
    File::options().write(true).open(&copy).unwrap().set_modified(time).unwrap();
    let script = format!("umask {umask}; exec \"$0\" archive --binary \"$1\" --output out.tar");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_image")]).arg(copy).current_dir(directory.path());
    let output = shell.env_remove("SOURCE_DATE_EPOCH").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(directory.path().join("out.tar")).unwrap()
}

#[test]
fn packed_twice_it_is_the_same_byte_for_byte() {
    let directory = TempDir::new().unwrap();
    let program = directory.path().join("program");
    program::build(&program, "+");
    let first = packed_elsewhere(&program, "077", SystemTime::now());
    assert_eq!(first, packed_elsewhere(&program, "000", SystemTime::UNIX_EPOCH));
    // Two that were made within a second could agree on the time as well.
    assert!(tar(&first).values().all(|entry| entry.modified == 0 && entry.owner == (0, 0)));
    assert_eq!(Unpacked::read(&first).config["created"], "1970-01-01T00:00:00Z");
}

#[test]
fn another_time_or_label_makes_another_image() {
    let directory = TempDir::new().unwrap();
    let image = image(directory.path());
    let digest = |image: &Image| image.pack(&name()).unwrap().1.digest;
    let mut labelled = image.clone();
    labelled.labels.insert("org.opencontainers.image.revision".to_owned(), "1".to_owned());
    assert_ne!(digest(&image), digest(&labelled));
    assert_ne!(digest(&image), digest(&Image { created: 1, ..image.clone() }));
}

#[test]
fn more_than_twenty_mebibytes_are_refused() {
    let directory = TempDir::new().unwrap();
    let mut image = image(directory.path());
    let size: usize = image.files.iter().map(|file| file.content.len()).sum();
    let program = &mut image.files[0].content;
    program.resize(program.len() + rootfs::SIZE_LIMIT - size, 0);
    assert!(image.pack(&name()).is_ok());
    image.files[0].content.push(0);
    let error = image.pack(&name()).unwrap_err().to_string();
    assert_eq!(error, "the files take 20971521 bytes together, 1 more than the 20971520 that are allowed");
}

#[test]
fn a_program_that_needs_libraries_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("program");
    program::build(&path, "-");
    let error = rootfs::operator(&path).unwrap().pack(&name()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("linked dynamically"), "{error}: {source}");
}

#[test]
fn laid_out_in_a_directory_it_is_what_is_in_the_archive() {
    let directory = TempDir::new().unwrap();
    let image = image(directory.path());
    let root = directory.path().join("root");
    image::file::write_to(&root, &image.files).unwrap();
    for (path, entry) in Unpacked::read(&image.pack(&name()).unwrap().0).files {
        let on_disk = root.join(&path);
        let mode = fs::metadata(&on_disk).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, entry.mode, "{path}");
        if entry.kind == EntryType::Regular {
            assert_eq!(fs::read(on_disk).unwrap(), entry.content, "{path}");
        }
    }
    let error = image::file::write_to(&root, &image.files).unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
}
