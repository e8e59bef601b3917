//! A static program to pack, built in a second.

use std::{path::Path, process::Command};

/// Compiles `programs/resolve.rs` to this file.
pub fn build(output: &Path, linkage: &str) {
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
