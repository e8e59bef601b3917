//! One running program of a cluster: started with its output in a file, and certain to end when this process ends.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{binaries::Program, lifeline::Lifeline};

/// How long a component may take to end by itself once its standard input is closed.
const GRACE: Duration = Duration::from_secs(2);

/// A child process; dropping it ends it and waits for that.
#[derive(Debug)]
pub struct Component {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Stands in for programs that do not heed the end of their standard input.
    lifeline: Option<Lifeline>,
}

impl Component {
    /// Starts the program; what it prints goes to `<dir>/<name>.log`, behind what is there already.
    pub fn start(name: &'static str, program: &Program, flags: &[String], dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log);
        let output = output.with_context(|| format!("cannot write {}", log.display()))?;
        let child = program
            .command()
            .args(flags)
            .env("CLUSTER_EXIT_WITH_STDIN", "1")
            .current_dir(dir)
            // A Ctrl-C in the terminal goes to the starter's group; what follows from it is the starter's decision.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let lifeline = if program.ends_with_stdin() { None } else { Some(Lifeline::of_process(child.id())?) };
        Ok(Self { name, child, log, lifeline })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the program and waits for that, as when it is dropped.
    pub fn end(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + GRACE;
        while self.lifeline.is_none() && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Everything the program has printed, over restarts too.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Why the program can no longer be waited for, if it has ended: its status and the end of its log.
    pub fn obituary(&mut self) -> Option<String> {
        let status: ExitStatus = self.child.try_wait().ok().flatten()?;
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        Some(format!("{} ended ({status}); the end of its log:\n{tail}", self.name))
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        self.end();
    }
}
