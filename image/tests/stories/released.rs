//! The operator as it is released, which takes minutes to build: `.ci/run` builds it and asks for these stories.

use std::{fs, path::Path, process::Command};

use image::{
    build::{self, Profile},
    file, rootfs,
};
use tempfile::TempDir;

#[test]
#[ignore = "builds the released operator, which takes minutes; .ci/run does"]
fn it_is_small_static_and_runs_with_nothing_beside_it() {
    let program = build::operator(Profile::Release).unwrap();
    let image = rootfs::operator(&program).unwrap();
    let (size, architecture) = image.check().unwrap();
    println!("{size} bytes of files for {architecture}");
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("root");
    file::write_to(&root, &image.files).unwrap();
    let user_is_root = fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t");
    let mut unshare = Command::new("unshare");
    if !user_is_root {
        unshare.arg("--map-root-user");
    }
    let output = unshare.arg("--root").arg(&root).args(["/apitoken-operator", "--version"]).output().unwrap();
    let version = format!("apitoken-operator {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), version, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "builds the released operator, which takes minutes; .ci/run does"]
fn no_path_of_the_machine_that_built_it_is_in_it() {
    let program = fs::read(build::operator(Profile::Release).unwrap()).unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_str().unwrap();
    let home = std::env::var("HOME").unwrap();
    for path in [format!("{repository}/"), format!("{home}/.cargo/"), format!("{home}/.rustup/")] {
        let found = program.windows(path.len()).any(|window| window == path.as_bytes());
        assert!(!found, "{path} is in the program");
    }
}
