//! Ends what this process leaves behind when it is killed, when no destructor of ours runs any more.
//!
//! A shell waits on a pipe whose other end only this process has. The kernel closes the pipe when the process ends,
//! in whatever way, and then the shell does its one act. While the process lives it does nothing.

use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// What happens at the unexpected end of this process; dropping it calls the whole thing off.
#[derive(Debug)]
pub struct Lifeline(Child);

impl Lifeline {
    /// Kills the process `pid` when this one ends.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        Self::at_the_end(r#"kill -9 "$1""#, pid.to_string().as_ref())
    }

    /// Removes the directory a second after this process ends, when the components that write to it have ended too.
    pub fn of_directory(dir: &Path) -> io::Result<Self> {
        Self::at_the_end(r#"sleep 1; rm -rf -- "$1""#, dir.as_os_str())
    }

    /// Runs `act` with `argument` as `$1`.
    ///
    /// A process group of its own, or Ctrl-C in the terminal would end the shell before it could act.
    pub(crate) fn at_the_end(act: &str, argument: &std::ffi::OsStr) -> io::Result<Self> {
        Command::new("sh")
            .args(["-c", &format!("cat >/dev/null; {act}"), "sh"])
            .arg(argument)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        // The kill comes first: waiting closes the pipe, and that would set off the act. `cat` is left to find
        // its end of the pipe closed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
