//! What is measured on, and what the kernel says of a process. It reads /proc and nothing else.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Cores and model of the processor, memory, load.
pub fn description() -> String {
    let cores = cores();
    let model = first_value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = first_value("/proc/meminfo", "MemTotal").unwrap_or_default();
    format!("{cores} cores ({model}), {memory}, load at the start {}", load())
}

/// The load averages over 1, 5 and 15 minutes: other work on the machine makes every time longer.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The most resident memory that the process ever had, in KiB.
pub fn peak_rss_kib(pid: u32) -> Result<u64> {
    let value = first_value(&format!("/proc/{pid}/status"), "VmHWM").context("no VmHWM: the operator has ended")?;
    Ok(value.trim_end_matches(" kB").parse()?)
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// CPU time of the whole machine that was not idle, all cores together, since its start.
pub fn busy() -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let fields = text.lines().next().context("/proc/stat is empty")?.split_whitespace().skip(1);
    let ticks = fields.map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    // user, nice, system, (idle, iowait,) irq, softirq, steal; a tick is 10 ms (proc_stat(5)).
    let busy: u64 =
        ticks.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, ticks)| ticks).sum();
    Ok(Duration::from_millis(busy * 10))
}

fn first_value(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
