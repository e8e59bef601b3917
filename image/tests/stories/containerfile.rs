//! The Containerfile says the same as the image that is packed here, and holds to the rules. No engine runs it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use image::rootfs;
use tempfile::TempDir;

use crate::program;

/// An instruction and what stands behind it, continued lines joined.
type Instruction = (String, String);

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn instructions() -> Vec<Instruction> {
    let text = fs::read_to_string(repository().join("Containerfile")).unwrap().replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(word, rest)| (word.to_owned(), rest.to_owned())).collect()
}

fn of<'a>(all: &'a [Instruction], word: &str) -> Vec<&'a str> {
    all.iter().filter(|(name, _)| name == word).map(|(_, rest)| rest.as_str()).collect()
}

#[test]
fn it_makes_the_image_that_is_packed_without_an_engine() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("program");
    program::build(&path, "+");
    let image = rootfs::operator(&path).unwrap();
    let all = instructions();
    let list = |words: &[String]| serde_json::to_string(words).unwrap();
    assert_eq!(of(&all, "USER"), [image.user.as_str()]);
    assert_eq!(of(&all, "ENTRYPOINT"), [list(&image.entrypoint)]);
    assert_eq!(of(&all, "CMD"), [list(&image.cmd)]);
    assert_eq!(of(&all, "EXPOSE"), image.ports.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut labels: Vec<_> = image.labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    let mut written = of(&all, "LABEL");
    labels.sort();
    written.sort_unstable();
    assert_eq!(written, labels);
}

#[test]
fn it_takes_files_from_the_repository_and_its_own_stages_only_and_names_no_base_without_a_digest() {
    let all = instructions();
    let known = ["ARG", "FROM", "WORKDIR", "COPY", "ENV", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "LABEL"];
    for (word, rest) in &all {
        assert!(known.contains(&word.as_str()), "{word} {rest}");
    }
    let stages = of(&all, "FROM");
    assert_eq!(stages, ["${RUST_IMAGE} AS build", "scratch"]);
    // Without a default, which could only be a tag that moves or a digest that grows old.
    assert_eq!(of(&all, "ARG"), ["RUST_IMAGE"]);
    for copy in of(&all, "COPY") {
        let (options, paths): (Vec<_>, Vec<_>) = copy.split(' ').partition(|word| word.starts_with("--"));
        let [source, _] = paths.as_slice() else { unreachable!("COPY {copy}") };
        match options.as_slice() {
            [] => assert!(repository().join(source).exists(), "COPY {copy}"),
            ["--from=build"] => assert!(of(&all, "RUN").iter().any(|run| run.ends_with(source.trim_end_matches('/')))),
            _ => unreachable!("COPY {copy}"),
        }
    }
}

#[test]
fn its_step_is_a_command_that_the_tool_understands() {
    let all = instructions();
    let [run] = of(&all, "RUN")[..] else { unreachable!("one step builds the root file system") };
    let (cargo, tool) = run.split_once(" -- ").unwrap();
    assert_eq!(cargo, "cargo run --locked --package image");
    let directory = TempDir::new().unwrap();
    let (path, root) = (directory.path().join("program"), directory.path().join("rootfs"));
    program::build(&path, "+");
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_image")]);
    for word in tool.split(' ') {
        command.arg(if word == "/rootfs" { root.as_os_str() } else { word.as_ref() });
    }
    // The released operator takes minutes; a program that is there already stands in for it.
    let output = command.arg("--binary").arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for directory in ["", "etc", "etc/ssl/certs"] {
        let mode = fs::metadata(root.join(directory)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "/{directory} would have mode {mode:o}");
    }
    assert!(root.join("apitoken-operator").exists() && root.join("etc/ssl/certs/ca-certificates.crt").exists());
}

#[test]
fn what_the_build_needs_is_not_left_out_of_its_context() {
    let left_out = fs::read_to_string(repository().join(".dockerignore")).unwrap();
    let patterns: Vec<_> = left_out.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(patterns.contains(&"target") && patterns.contains(&".git"));
    for needed in ["Cargo.toml", "Cargo.lock", "src", "crds", "image", "tests", "tests/testbed", "cargo-home"] {
        assert!(!patterns.contains(&needed), "{needed}");
    }
}
