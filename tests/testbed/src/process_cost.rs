//! What a process costs, as the kernel counts it in /proc. It knows nothing of what the process is.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Resident memory in KiB.
///
/// # Errors
/// There is no such process, or it has ended and nobody has waited for it yet.
pub fn rss_kib(pid: u32) -> Result<u64> {
    memory(pid, "VmRSS:")
}

/// The most that its resident memory ever was, in KiB.
///
/// # Errors
/// As [`rss_kib`].
pub fn peak_rss_kib(pid: u32) -> Result<u64> {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    let value = value.and_then(|value| value.trim().strip_suffix(" kB"));
    Ok(value.with_context(|| format!("no {field} in /proc/PID/status"))?.parse()?)
}

/// CPU time of all threads since the start, user and system; the kernel counts in ticks of 10 ms.
///
/// # Errors
/// There is no such process.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let milliseconds = (stat(pid, 14)? + stat(pid, 15)?) * 1000 / rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(milliseconds))
}

/// How long it has been running.
///
/// # Errors
/// There is no such process.
pub fn age(pid: u32) -> Result<Duration> {
    let started = stat(pid, 22)?;
    let uptime = fs::read_to_string("/proc/uptime")?;
    let uptime: f64 = uptime.split(' ').next().context("/proc/uptime is empty")?.parse()?;
    let started = Duration::from_millis(started * 1000 / rustix::param::clock_ticks_per_second());
    Ok(Duration::from_secs_f64(uptime).saturating_sub(started))
}

/// A field of /proc/PID/stat, counted from 1 as in proc_pid_stat(5).
fn stat(pid: u32, field: usize) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
    Ok(fields.split_whitespace().nth(field - 3).context("too short")?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_cpu_time_and_its_memory_as_resident() {
        let me = std::process::id();
        let (before, age_before) = (cpu_time(me).unwrap(), age(me).unwrap());
        let mut memory = vec![0_u8; 64 << 20];
        while cpu_time(me).unwrap() < before + Duration::from_millis(30) {
            memory.fill(std::hint::black_box(1));
        }
        assert!(rss_kib(me).unwrap() > 64 << 10);
        assert_eq!(memory.last(), Some(&1));
        assert!(age(me).unwrap() > age_before && age_before < Duration::from_secs(3600));
    }
}
