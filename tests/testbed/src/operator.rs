//! The operator as a child process, seen from outside: its log, its endpoints, what it costs, and how it ends.
//!
//! It knows the command line and the endpoints, and nothing of what the operator does with objects.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use http::Method;
use rustix::process::{Pid, Signal, kill_process};

use crate::{eventually::poll_until, lifeline::Lifeline, loopback_http, metrics, ports::Port, process_cost};

/// How long an operator may take to end in good order.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct OperatorOptions {
    pub binary: PathBuf,
    pub kubeconfig: PathBuf,
    /// The subcommand and its flags, without `--listen`.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// A started operator; dropping it kills it.
#[derive(Debug)]
pub struct OperatorProcess {
    child: Mutex<Child>,
    pid: u32,
    port: Port,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    _lifeline: Lifeline,
}

impl OperatorProcess {
    /// Starts `binary ARGS --listen 127.0.0.1:PORT` and does not wait for anything.
    ///
    /// # Errors
    /// The binary cannot be started.
    pub fn start(options: &OperatorOptions) -> Result<Self> {
        let port = Port::reserve()?;
        let mut command = Command::new(&options.binary);
        command.args(&options.args).args(["--listen", &port.address().to_string()]);
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        command.env("KUBECONFIG", &options.kubeconfig).envs(options.env.iter().cloned());
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", options.binary.display()))?;
        let lifeline = Lifeline::of_process(child.id()).context("cannot start a shell")?;
        let lines = Arc::default();
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|stream| read_lines(stream, Arc::clone(&lines))));
        readers.extend(child.stderr.take().map(|stream| read_lines(stream, Arc::clone(&lines))));
        let pid = child.id();
        Ok(Self { child: Mutex::new(child), pid, port, lines, readers: Mutex::new(readers), _lifeline: lifeline })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// `http://127.0.0.1:PORT`, where it serves `/livez`, `/readyz` and `/metrics`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// What it has written to stdout and stderr so far, line by line.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }

    /// Waits for a line that satisfies the predicate and returns it; lines from before the call count too.
    ///
    /// # Errors
    /// Time is up, or the process has ended without such a line.
    pub async fn wait_for_log(&self, predicate: impl Fn(&str) -> bool, timeout: Duration) -> Result<String> {
        let found = poll_until(timeout, async || {
            // Asked for before the lines are looked at: what an ended process has written is all there then.
            let ended = self.ended();
            let line = lock(&self.lines).iter().find(|line| predicate(line)).cloned();
            match (line, ended) {
                (Some(line), _) => Ok(Ok(line)),
                (None, Some(status)) => Ok(Err(anyhow!("the operator ended ({status}) without it:\n{}", self.tail()))),
                (None, None) => Err(self.tail()),
            }
        });
        found.await.unwrap_or_else(|tail| Err(anyhow!("no such line in {timeout:?}; the log ends:\n{tail}")))
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// Time is up, or the process has ended; the message holds the end of its log.
    pub async fn ready(&self, timeout: Duration) -> Result<()> {
        let ready = poll_until(timeout, async || {
            if let Some(status) = self.ended() {
                return Ok(Err(anyhow!("the operator ended ({status}):\n{}", self.tail())));
            }
            match self.get("/readyz").await {
                Ok((200, _)) => Ok(Ok(())),
                Ok((code, body)) => Err(format!("{code} {body}")),
                Err(e) => Err(format!("{e:#}")),
            }
        });
        let late = |last| Err(anyhow!("/readyz after {timeout:?}: {last}; the log ends:\n{}", self.tail()));
        ready.await.unwrap_or_else(late)
    }

    /// What a path of its server answers: status and body.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        loopback_http::send(self.port.address(), Method::GET, path, String::new()).await
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// It does not answer, or not with 200.
    pub async fn metrics(&self) -> Result<String> {
        let (code, body) = self.get("/metrics").await?;
        ensure!(code == 200, "/metrics answered {code}: {body}");
        Ok(body)
    }

    /// The sum over the metric's series with at least these labels; `None` if there is none.
    ///
    /// # Errors
    /// As [`Self::metrics`].
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Result<Option<f64>> {
        Ok(metrics::sum(&self.metrics().await?, name, labels))
    }

    /// Its status, once it has ended.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        let status = lock(&self.child).try_wait().ok().flatten();
        if status.is_some() {
            self.finish_reading();
        }
        status
    }

    /// Kills it with SIGKILL and waits for its end; its log stays readable.
    pub fn kill9(&self) {
        let mut child = lock(&self.child);
        // An error means that it has ended already, which is what was wanted.
        let _ = child.kill();
        let _ = child.wait();
        drop(child);
        self.finish_reading();
    }

    /// Asks it to end with SIGTERM, and returns how it did.
    ///
    /// # Errors
    /// It goes on for a minute; the message holds the end of its log.
    pub async fn terminate(&self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let ended = poll_until(END_TIMEOUT, async || self.ended().ok_or("it still runs"));
        ended.await.map_err(|last| anyhow!("{END_TIMEOUT:?} after SIGTERM {last}; the log ends:\n{}", self.tail()))
    }

    /// Stops all its threads where they are, with SIGSTOP, as a hypervisor or a full machine can.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn suspend(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`Self::suspend`].
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end with SIGTERM, and does not wait.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn tell_to_stop(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Waits until it ends by itself, as after a wrong flag.
    ///
    /// # Errors
    /// Time is up; the message holds the end of its log.
    pub async fn wait(&self, timeout: Duration) -> Result<ExitStatus> {
        let ended = poll_until(timeout, async || self.ended().ok_or("it still runs"));
        ended.await.map_err(|last| anyhow!("after {timeout:?} {last}; the log ends:\n{}", self.tail()))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // With the lock nobody can wait for the process meanwhile, so the id cannot belong to another one.
        let mut child = lock(&self.child);
        if child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&child), signal)?;
        }
        Ok(())
    }

    /// Resident memory in KiB.
    ///
    /// # Errors
    /// It has ended.
    pub fn rss_kib(&self) -> Result<u64> {
        process_cost::rss_kib(self.pid).context("the operator has ended")
    }

    /// The most that its resident memory ever was, in KiB.
    ///
    /// # Errors
    /// It has ended.
    pub fn peak_rss_kib(&self) -> Result<u64> {
        process_cost::peak_rss_kib(self.pid).context("the operator has ended")
    }

    /// CPU time of all its threads since its start, user and system; the kernel counts in steps of 10 ms.
    ///
    /// # Errors
    /// It has ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        process_cost::cpu_time(self.pid).context("the operator has ended")
    }

    fn tail(&self) -> String {
        let lines = lock(&self.lines);
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// After the end of the process: until all it wrote is in `lines`.
    fn finish_reading(&self) {
        for reader in lock(&self.readers).drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        self.kill9();
    }
}

fn read_lines(stream: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        // Not `lines()`: it ends at the first byte that is not UTF-8, and the process would block on a full pipe.
        while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
            lock(&lines).push(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
