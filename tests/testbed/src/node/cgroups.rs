//! The control groups of one node's pods, and what the kernel has counted in them. They belong to the whole machine,
//! so they have a root that is named after the enclosure, and somebody outside removes them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{lifeline::Lifeline, process_cost};

const MOUNT: &str = "/sys/fs/cgroup";

/// The innermost first; a group can be removed when nobody is in it.
const REMOVE: &str = r#"find /sys/fs/cgroup -depth -type d -path "*/$1*" -exec rmdir {} + 2>/dev/null"#;

/// What a container has cost.
#[derive(Clone, Copy, Debug)]
pub struct ContainerCost {
    /// The working set in bytes, as `kubectl top` shows it: without the page cache that the kernel can take back.
    pub memory: u64,
    /// Bytes resident of all its processes, the pages of the program's file included.
    pub resident: u64,
    /// CPU time since its start.
    pub cpu: Duration,
}

/// One group in each hierarchy, below which a kubelet makes those of its pods.
pub(super) struct Root {
    name: String,
}

impl Root {
    pub(super) fn named_after(dir: &Path) -> Result<Self> {
        let root = Self { name: name_for(dir)? };
        for hierarchy in hierarchies()? {
            let group = hierarchy.join(&root.name);
            fs::create_dir_all(&group).with_context(|| format!("cannot create {}", group.display()))?;
        }
        Ok(root)
    }

    pub(super) fn remove(&self) {
        let mut sh = Command::new("sh");
        sh.args(["-c", REMOVE, "sh", &self.name]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Best effort: an empty group costs next to nothing.
        let _ = sh.status();
    }

    pub(super) fn removed_at_the_end(&self) -> io::Result<Lifeline> {
        Lifeline::at_the_end(&format!("sleep 2; {REMOVE}"), self.name.as_ref())
    }
}

pub(super) fn name_for(dir: &Path) -> Result<String> {
    let name = dir.file_name().and_then(|name| name.to_str());
    Ok(name.with_context(|| format!("{} has no plain name", dir.display()))?.to_owned())
}

/// One directory where there is cgroup v2, one for each controller where there is v1.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mount = Path::new(MOUNT);
    if mount.join("cgroup.controllers").exists() {
        return Ok(vec![mount.to_owned()]);
    }
    let mut all = Vec::new();
    for entry in fs::read_dir(mount).context("no control groups")? {
        let path = entry?.path();
        let is_v1 = path.join("tasks").exists() && !path.is_symlink();
        all.extend(is_v1.then_some(path));
    }
    Ok(all)
}

pub(super) fn cost(container_id: &str) -> Result<ContainerCost> {
    let id = container_id.trim_start_matches("containerd://");
    let mut resident = 0;
    for pid in processes(container_id)? {
        resident += process_cost::rss_kib(u32::try_from(pid)?)? << 10;
    }
    let find = |hierarchy: &str| -> Result<PathBuf> {
        let top = Path::new(MOUNT).join(hierarchy);
        find_below(&top, id, 6).with_context(|| format!("no group of container {id} in {}", top.display()))
    };
    let number = |path: PathBuf| -> Result<u64> {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim().parse()?)
    };
    if Path::new(MOUNT).join("cgroup.controllers").exists() {
        let group = find("")?;
        let memory = number(group.join("memory.current"))? - field(&group.join("memory.stat"), "inactive_file")?;
        let cpu = Duration::from_micros(field(&group.join("cpu.stat"), "usage_usec")?);
        return Ok(ContainerCost { memory, resident, cpu });
    }
    let group = find("memory")?;
    let cached = field(&group.join("memory.stat"), "total_inactive_file")?;
    let memory = number(group.join("memory.usage_in_bytes"))?.saturating_sub(cached);
    let cpu = Duration::from_nanos(number(find("cpuacct")?.join("cpuacct.usage"))?);
    Ok(ContainerCost { memory, resident, cpu })
}

/// The processes of a container, in the first process namespace that this process sees.
pub(super) fn processes(container_id: &str) -> Result<Vec<i32>> {
    let id = container_id.trim_start_matches("containerd://");
    let hierarchies = hierarchies()?;
    let group = hierarchies.iter().find_map(|top| find_below(top, id, 6));
    let group = group.with_context(|| format!("no group of container {id}"))?;
    let text = fs::read_to_string(group.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

fn find_below(dir: &Path, name: &str, depth: u8) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).collect();
    let dirs: Vec<PathBuf> = entries.into_iter().filter(|path| path.is_dir()).collect();
    let here = dirs.iter().find(|path| path.file_name().is_some_and(|file| file.to_string_lossy().contains(name)));
    here.cloned().or_else(|| dirs.iter().filter(|_| depth > 0).find_map(|dir| find_below(dir, name, depth - 1)))
}

fn field(path: &Path, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    for line in text.lines() {
        if let Some((key, value)) = line.split_once(' ')
            && key == name
        {
            return Ok(value.trim().parse()?);
        }
    }
    bail!("no {name} in {}", path.display())
}
