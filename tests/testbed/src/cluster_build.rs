//! Builds the multi-call Kubernetes binary from `tests/cluster` once, and finds it again ever after.
//!
//! The result lies outside `target/`, under a name that holds the hash of its sources: a cleaned checkout, a second
//! checkout and a hundred test processes share one build. It never downloads binaries, only Go modules by `go build`.

use std::{
    env,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};

/// The Kubernetes release that `tests/cluster/go.mod` names, without the leading `v`.
pub const KUBERNETES_VERSION: &str = "1.34.3";

/// All that decides what the binary is, besides the Go release.
const SOURCES: [&str; 4] = ["go.mod", "go.sum", "main.go", "lifeline.go"];

/// The path of the built multi-call binary; builds it if nobody has yet, which takes minutes of both cores.
///
/// # Errors
/// Go is missing or too old, the build fails, or the cache directory cannot be written.
pub fn built_binary() -> Result<PathBuf> {
    let cache = cache_dir()?;
    let binary = cached_path(&cache)?;
    if binary.exists() {
        return Ok(binary);
    }
    fs::create_dir_all(&cache).with_context(|| format!("cannot create the cache directory {}", cache.display()))?;
    let _lock = exclusive(&cache.join("build.lock"))?;
    if !binary.exists() {
        build(&binary)?;
    }
    Ok(binary)
}

/// Where the testbed keeps what is worth keeping between runs: `$APITOKEN_TESTBED_CACHE`, else below
/// `$XDG_CACHE_HOME`, else below `~/.cache`.
///
/// # Errors
/// None of the variables is set.
pub fn cache_dir() -> Result<PathBuf> {
    if let Some(explicit) = set_variable("APITOKEN_TESTBED_CACHE") {
        return Ok(explicit.into());
    }
    let base = set_variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| set_variable("HOME").map(|home| Path::new(&home).join(".cache")))
        .context("no directory for the built Kubernetes binary: set APITOKEN_TESTBED_CACHE, XDG_CACHE_HOME or HOME")?;
    Ok(base.join("apitoken-operator").join("testbed"))
}

fn set_variable(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn module_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster")
}

fn cached_path(cache: &Path) -> Result<PathBuf> {
    let mut contents = link_flags().into_bytes();
    for name in SOURCES {
        let path = module_dir().join(name);
        contents.extend(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        contents.push(0);
    }
    let hash: String = digest(&SHA256, &contents).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(cache.join(format!("cluster-{KUBERNETES_VERSION}-{hash}")))
}

/// The version has to be given at link time: without it the server calls itself v0.0.0 and kubectl refuses it.
fn link_flags() -> String {
    let minor = KUBERNETES_VERSION.split('.').nth(1).unwrap_or_default();
    let version = "-X k8s.io/component-base/version.git";
    format!("-s -w {version}Version=v{KUBERNETES_VERSION} {version}Major=1 {version}Minor={minor}")
}

/// Waits until no other process builds; the lock ends with the returned file, also when the process is killed.
fn exclusive(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => progress("waiting for another process that builds kube-apiserver"),
        Err(TryLockError::Error(e)) => return Err(e).with_context(|| format!("cannot lock {}", path.display())),
    }
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn build(binary: &Path) -> Result<()> {
    require_go()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let minutes = if cores > 4 { 2 } else { 8 / cores };
    progress(&format!(
        "building kube-apiserver {} from source, once, about {minutes} minutes on {cores} cores",
        KUBERNETES_VERSION.rsplit_once('.').map_or(KUBERNETES_VERSION, |(minor, _)| minor)
    ));
    let started = Instant::now();
    let unfinished = binary.with_extension(format!("{}.unfinished", std::process::id()));
    let outcome = go_build(&unfinished).and_then(|()| {
        fs::rename(&unfinished, binary).with_context(|| format!("cannot move the build to {}", binary.display()))
    });
    if outcome.is_err() {
        // Best effort: a leftover only costs disk, and the build's own error is what the reader needs.
        let _ = fs::remove_file(&unfinished);
    }
    outcome?;
    let bytes = fs::metadata(binary).map(|m| m.len()).unwrap_or_default();
    let took = Duration::from_secs(started.elapsed().as_secs());
    progress(&format!("built {} in {took:?}, {} MB", binary.display(), bytes / 1_000_000));
    Ok(())
}

fn go_build(target: &Path) -> Result<()> {
    let output = Command::new("go")
        .current_dir(module_dir())
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", &link_flags(), "-o"])
        .arg(target)
        .arg(".")
        .env("CGO_ENABLED", "0")
        .output()
        .context("cannot run `go`")?;
    if !output.status.success() {
        bail!(
            "building {} failed ({}); Go 1.24 or newer and access to Go modules are needed:\n{}",
            module_dir().display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Asked before a build is announced that cannot be.
fn require_go() -> Result<()> {
    match Command::new("go").arg("version").output() {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => bail!(
            "the tests run a real kube-apiserver, built from source by Go, and there is no `go` in PATH: \
             install Go 1.24 or newer (https://go.dev/dl, or your distribution's golang package), or set \
             KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver, kube-controller-manager and kubectl"
        ),
        Err(e) => Err(e).context("cannot run `go`"),
    }
}

/// Straight to stderr, because the test harness holds back what the print macros write until a test has failed.
fn progress(line: &str) {
    let _ = writeln!(io::stderr(), "testbed: {line}");
}
