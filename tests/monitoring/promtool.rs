//! Prometheus' own tool for rules.

use std::{
    fs, io,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn run(args: &[&str], directory: &Path) -> Result<String, String> {
    let output = Command::new("promtool").args(args).current_dir(directory).output();
    let Output { status, stdout, stderr } = output.unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => panic!("promtool is not in PATH: install Debian's package prometheus"),
        _ => panic!("promtool cannot be run: {error}"),
    });
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    // Some of what it finds fault with it calls a success.
    if status.success() && !said.contains("FAILED") { Ok(said) } else { Err(said) }
}

/// Whether these are rules: expressions that can be parsed, templates that can be filled in.
pub fn check(rules: &Value) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("rules.yaml"), rules.to_string()).unwrap();
    run(&["check", "rules", "rules.yaml"], directory.path())
}

/// Whether the rules behave as the stories tell; these name the rules' file as `rules.yaml`.
pub fn test(rules: &Value, stories: &str) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("rules.yaml"), rules.to_string()).unwrap();
    fs::write(directory.path().join("stories.yaml"), stories).unwrap();
    run(&["test", "rules", "stories.yaml"], directory.path())
}
