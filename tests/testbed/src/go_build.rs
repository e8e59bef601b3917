//! Builds the Go programs that the tests run, once each from a module beside this crate, and finds them ever after.
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

mod programs;

pub(crate) use self::programs::cluster;
pub use self::programs::{
    COREDNS_VERSION, HELM_VERSION, HYDRA_VERSION, KUBERNETES_VERSION, POCKETBASE_VERSION, coredns, helm, hydra,
    pocketbase,
};

/// A program and the module that it is built from.
struct GoProgram {
    name: &'static str,
    version: &'static str,
    /// Directory beside this crate.
    module: &'static str,
    package: &'static str,
    /// All in the module that decides what the binary is, besides the Go release.
    sources: &'static [&'static str],
    /// What is said while it is built, and for how long on two cores.
    what: &'static str,
    minutes_on_two_cores: usize,
    link_flags: String,
    cgo: Cgo,
}

/// Whether C is compiled too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cgo {
    /// Go alone.
    Off,
    /// With a C compiler, and these build tags.
    With { tags: &'static str },
}

/// The path of the built program; builds it if nobody has yet.
fn built(program: &GoProgram) -> Result<PathBuf> {
    let cache = cache_dir()?;
    let binary = program.cached_in(&cache)?;
    if binary.exists() {
        return Ok(binary);
    }
    fs::create_dir_all(&cache).with_context(|| format!("cannot create the cache directory {}", cache.display()))?;
    let _lock = exclusive(&cache.join("build.lock"), program)?;
    if !binary.exists() {
        program.build(&binary)?;
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
        .context("no directory for built programs: set APITOKEN_TESTBED_CACHE, XDG_CACHE_HOME or HOME")?;
    Ok(base.join("apitoken-operator").join("testbed"))
}

fn set_variable(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

impl GoProgram {
    fn module_dir(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.module)
    }

    fn link_flags(&self) -> String {
        format!("-s -w {}", self.link_flags)
    }

    fn cached_in(&self, cache: &Path) -> Result<PathBuf> {
        let mut contents = self.link_flags().into_bytes();
        for name in self.sources {
            let path = self.module_dir().join(name);
            contents.extend(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
            contents.push(0);
        }
        let hash: String = digest(&SHA256, &contents).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(cache.join(format!("{}-{}-{hash}", self.name, self.version)))
    }

    fn build(&self, binary: &Path) -> Result<()> {
        require_go(self.what)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let minutes = (2 * self.minutes_on_two_cores).div_ceil(cores.min(4));
        let (what, version) = (self.what, self.version);
        let time = if minutes == 1 { "a minute".to_owned() } else { format!("{minutes} minutes") };
        progress(&format!("building {what} {version} from source, once, about {time} on {cores} cores"));
        let started = Instant::now();
        let unfinished = binary.with_extension(format!("{}.unfinished", std::process::id()));
        let outcome = self.go_build(&unfinished).and_then(|()| {
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

    fn go_build(&self, target: &Path) -> Result<()> {
        let (cgo, tags) = match self.cgo {
            Cgo::Off => ("0", ""),
            Cgo::With { tags } => ("1", tags),
        };
        let output = Command::new("go")
            .current_dir(self.module_dir())
            .args(["build", "-trimpath", "-buildvcs=false", "-tags", tags, "-ldflags", &self.link_flags(), "-o"])
            .arg(target)
            .arg(self.package)
            .env("CGO_ENABLED", cgo)
            .output()
            .context("cannot run `go`")?;
        if !output.status.success() {
            bail!(
                "building {} failed ({}); Go 1.25 or newer and access to Go modules are needed:\n{}",
                self.module_dir().display(),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}

/// Waits until no other process builds; the lock ends with the returned file, also when the process is killed.
fn exclusive(path: &Path, program: &GoProgram) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => progress(&format!("{}: waiting for another build", program.what)),
        Err(TryLockError::Error(e)) => return Err(e).with_context(|| format!("cannot lock {}", path.display())),
    }
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Asked before a build is announced that cannot be.
fn require_go(what: &str) -> Result<()> {
    match Command::new("go").arg("version").output() {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => bail!(
            "the tests run a real {what}, built from source by Go, and there is no `go` in PATH: install Go 1.25 or \
             newer (https://go.dev/dl, or your distribution's golang package); for kube-apiserver alone it is enough \
             to set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver, kube-controller-manager and kubectl"
        ),
        Err(e) => Err(e).context("cannot run `go`"),
    }
}

/// Straight to stderr, because the test harness holds back what the print macros write until a test has failed.
fn progress(line: &str) {
    let _ = writeln!(io::stderr(), "testbed: {line}");
}
