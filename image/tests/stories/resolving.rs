//! A static program with nothing beside it but what is in the image finds names: those of /etc/hosts first, then those
//! of DNS. It runs in a root of its own and a network namespace of its own.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use image::{file, rootfs};
use tempfile::TempDir;

use crate::program;

/// Calls the program where /etc/resolv.conf and /etc/hosts are what a kubelet mounts there.
fn resolve(root: &Path, name: &str) -> Output {
    let user_is_root = fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t");
    let mut unshare = Command::new("unshare");
    if !user_is_root {
        unshare.arg("--map-root-user");
    }
    let script = "ip link set lo up && exec chroot \"$0\" /resolve \"$1\"";
    unshare.args(["--net", "sh", "-c", script]).arg(root).arg(name).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    unshare.output().unwrap()
}

#[test]
fn names_are_found_in_the_hosts_file_and_then_by_dns() {
    let directory = TempDir::new().unwrap();
    let (path, root) = (directory.path().join("program"), directory.path().join("root"));
    program::build(&path, "+");
    file::write_to(&root, &rootfs::files("resolve", &path).unwrap()).unwrap();
    fs::write(root.join("etc/resolv.conf"), "nameserver 127.0.0.1\noptions attempts:1 timeout:5\n").unwrap();
    fs::write(root.join("etc/hosts"), "192.0.2.8 written.test\n").unwrap();
    for (name, address) in [("vendor.test", "192.0.2.7\n"), ("written.test", "192.0.2.8\n")] {
        let output = resolve(&root, name);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), address, "{name}: {complaint}");
    }
    let unknown = resolve(&root, "unknown.test");
    assert!(!unknown.status.success() && unknown.stdout.is_empty());
}
