//! Builds the operator as anybody would, by cargo, and says where the binary is.

use std::{
    env,
    ffi::OsString,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

const BINARY: &str = "apitoken-operator";

/// Builds the binary in the profile of this process; cargo's own progress goes to standard error.
///
/// # Errors
/// There is no cargo, or the build failed.
pub fn build() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(&cargo);
    // The demo besides: alone, the binary would want dependencies without the demo's features, built once more.
    command.args(["build", "--bin", BINARY, "--example", "demo", "--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", cargo.display()))?;
    ensure!(output.status.success(), "cargo could not build {BINARY}; its words are above");
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let binary = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| executable(&message));
    binary.with_context(|| format!("cargo built {BINARY} and did not say where"))
}

fn executable(message: &Value) -> Option<PathBuf> {
    let of_binary = message["target"]["name"] == BINARY && message["target"]["kind"][0] == "bin";
    of_binary.then(|| message["executable"].as_str().map(PathBuf::from))?
}
