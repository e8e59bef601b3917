//! Static programs, by cargo, with the same bytes from every checkout.
//!
//! The flags stand here and not in `.cargo/config.toml`: there they would hold for the tests too, and a program with a
//! static C library loads no procedural macros.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use serde_json::Value;

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// What is shipped: small, minutes of linking.
    Release,
    /// For pods of tests: quickly built.
    Node,
}

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("cargo cannot be started; rustup installs it")]
    Start(#[source] io::Error),
    #[error("cargo build ended with {0}; its own messages stand above")]
    Cargo(ExitStatus),
    #[error("cargo built no program {0}")]
    NoProgram(&'static str),
    #[error("neither CARGO_HOME nor HOME is set, and the build has to keep that path out of the program")]
    NoHome,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Node => "node",
        }
    }
}

/// The operator: its path. What is up to date is not built again; cargo says on standard error what it does.
pub fn operator(profile: Profile) -> Result<PathBuf, BuildError> {
    program("apitoken-operator", "apitoken-operator", profile)
}

/// The program of the pods that tests run beside the operator.
pub fn pods() -> Result<PathBuf, BuildError> {
    program("testbed", "testbed-pods", Profile::Node)
}

fn program(package: &str, binary: &'static str, profile: Profile) -> Result<PathBuf, BuildError> {
    let repository = repository();
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(repository)
        .args(["build", "--locked", "--message-format", "json-render-diagnostics"])
        .args(["--profile", profile.name(), "--package", package, "--bin", binary])
        // With a target named, the flags do not hold for build scripts and procedural macros.
        .args(["--target", &format!("{}-unknown-linux-gnu", env::consts::ARCH)])
        .env("CARGO_ENCODED_RUSTFLAGS", flags(repository)?)
        .env_remove("RUSTFLAGS")
        .stderr(Stdio::inherit())
        .output()
        .map_err(BuildError::Start)?;
    if !output.status.success() {
        return Err(BuildError::Cargo(output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = built.filter(|message| message["target"]["name"] == binary);
    built.find_map(|message| message["executable"].as_str().map(PathBuf::from)).ok_or(BuildError::NoProgram(binary))
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// Paths of this machine are kept out of the program; panics name files below `/build` and `/cargo` instead.
fn flags(repository: &Path) -> Result<OsString, BuildError> {
    let home = match (env::var_os("CARGO_HOME"), env::var_os("HOME")) {
        (Some(cargo), _) => PathBuf::from(cargo),
        (None, Some(home)) => Path::new(&home).join(".cargo"),
        (None, None) => return Err(BuildError::NoHome),
    };
    // Of two that fit the compiler takes the later one: the others may lie below the repository.
    let mut remapped = vec![(repository.to_owned(), "/build"), (home, "/cargo")];
    if let Some(target) = env::var_os("CARGO_TARGET_DIR") {
        remapped.push((repository.join(target), "/build/target"));
    }
    let mut flags = OsString::from("-Ctarget-feature=+crt-static");
    for (path, name) in remapped {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(path);
        flags.push("=");
        flags.push(name);
    }
    Ok(flags)
}
