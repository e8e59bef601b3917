//! An enclosure takes all that is in it along, also when the one who made it is killed and no destructor runs.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use testbed::{
    eventually::await_until,
    node::{self, enclosure},
};

const MARK: &str = "the enclosure is";

/// How the process that is left alone can be told from others; no other process sleeps so long.
fn sleeping(maker: u32) -> String {
    format!("40{maker}.5")
}

fn is_running(argument: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut commands = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    commands.any(|command| command.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
}

#[test]
#[ignore = "it is the maker of the enclosure that the next story kills"]
fn maker() {
    if let Some(dir) = enclosure::directory() {
        let argument = std::env::var("SLEEPING").unwrap();
        let mut sleep = Command::new("sleep").arg(&argument).spawn().unwrap();
        println!("\n{MARK} {} {argument}", dir.display());
        sleep.wait().unwrap();
        return;
    }
    enclosure::run_again_inside(&[("SLEEPING", sleeping(std::process::id()).into())]).unwrap();
}

#[tokio::test]
async fn killing_the_maker_of_an_enclosure_leaves_no_process_no_directory_and_no_cgroup() {
    if let Some(node::Missing::Means(missing) | node::Missing::Packages(missing)) = node::missing() {
        eprintln!("\n!!! NOT RUN, no enclosure was tested: {missing}\n");
        return;
    }
    let mut maker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "enclosure::maker", "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(maker.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find_map(|line| line.strip_prefix(MARK).map(str::to_owned)).unwrap();
    let (dir, argument) = line.trim().split_once(' ').unwrap();
    let cgroup = Path::new("/sys/fs/cgroup/memory").join(Path::new(dir).file_name().unwrap());
    // Its first process takes the name of its program only when that begins.
    await_until("the enclosure", Duration::from_secs(30), async || {
        let there = (is_running(argument), Path::new(dir).exists());
        if there == (true, true) { Ok(()) } else { Err(format!("process, directory: {there:?}")) }
    })
    .await;

    maker.kill().unwrap();
    maker.wait().unwrap();
    await_until("the end of the enclosure", Duration::from_secs(30), async || {
        let left = (is_running(argument), Path::new(dir).exists(), cgroup.exists());
        if left == (false, false, false) { Ok(()) } else { Err(format!("process, directory, cgroup: {left:?}")) }
    })
    .await;
}
