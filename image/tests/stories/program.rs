//! A small program to pack.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The one that is linked statically, for all stories of this process.
static STATIC: OnceLock<PathBuf> = OnceLock::new();

/// `programs/resolve.rs`, compiled to this file; linked statically with `+`, dynamically with `-`.
pub fn build(output: &Path, linkage: &str) {
    if linkage == "-" {
        return compile(output, linkage);
    }
    let built = STATIC.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("resolve");
        compile(&path, linkage);
        path
    });
    fs::copy(built, output).unwrap();
}

fn compile(output: &Path, linkage: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/resolve.rs");
    let mut rustc = Command::new("rustc");
    rustc.args([
        "--edition=2024",
        "-Copt-level=s",
        "-Cstrip=symbols",
        &format!("-Ctarget-feature={linkage}crt-static"),
    ]);
    let status = rustc.arg(source).arg("-o").arg(output).status().unwrap();
    assert!(status.success(), "rustc ended with {status}");
}
