//! Nothing outlives a test process that is killed, when no destructor runs.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use testbed::{
    control_plane::{ControlPlane, Options},
    eventually::await_until,
    operator::OperatorProcess,
};

use crate::operator::stand_in;

const MARK: &str = "the children are";

/// A process that has ended may stay listed as a zombie where nobody collects orphans.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
}

#[tokio::test]
#[ignore = "it is the parent that the next story kills"]
async fn parent() {
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let operator = OperatorProcess::start(&stand_in(&["run"])).unwrap();
    let pids: Vec<String> = control_plane.pids().into_iter().chain([operator.pid()]).map(|p| p.to_string()).collect();
    println!("\n{MARK} {} {}", control_plane.dir().display(), pids.join(" "));
    // Nothing comes; it ends when the one who kills has ended without doing so.
    let _ = io::stdin().read(&mut [0]);
}

#[tokio::test]
async fn killing_the_parent_kills_the_children_and_removes_their_files() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parents_death::parent", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find_map(|line| line.strip_prefix(MARK).map(str::to_owned)).unwrap();
    let (dir, pids) = line.trim().split_once(' ').unwrap();
    let pids: Vec<&str> = pids.split(' ').collect();
    assert_eq!(pids.len(), 4);
    assert!(pids.iter().all(|pid| runs(pid)) && Path::new(dir).exists());

    parent.kill().unwrap();
    parent.wait().unwrap();
    await_until("the children's end", Duration::from_secs(30), async || {
        let left: Vec<_> = pids.iter().filter(|pid| runs(pid)).collect();
        if left.is_empty() && !Path::new(dir).exists() { Ok(()) } else { Err(format!("{left:?} run, {dir}")) }
    })
    .await;
}
