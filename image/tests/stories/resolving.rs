//! A static program with nothing beside it but what is in the image finds names: those of /etc/hosts first, then those
//! of DNS. It runs in a root of its own and a network namespace of its own.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Output},
};

use image::{file, rootfs};
use tempfile::TempDir;

use crate::program;

/// A shell in a network namespace of its own, as root of this machine or of a user namespace.
fn enclosed(script: &str) -> Command {
    let user_is_root = fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t");
    let mut unshare = Command::new("unshare");
    if !user_is_root {
        unshare.arg("--map-root-user");
    }
    unshare.args(["--net", "sh", "-c", script]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    unshare
}

/// Calls the program where /etc/resolv.conf and /etc/hosts are what a kubelet mounts there.
fn resolve(root: &Path, name: &str) -> Output {
    enclosed("ip link set lo up && exec chroot \"$0\" /resolve \"$1\"").arg(root).arg(name).output().unwrap()
}

#[test]
fn names_are_found_in_the_hosts_file_and_then_by_dns() {
    let possible = enclosed("ip link set lo up").output().unwrap();
    if !possible.status.success() {
        let why = String::from_utf8_lossy(&possible.stderr);
        // Not `eprintln!`, which the harness would keep to itself.
        writeln!(io::stderr(), "!! SKIPPED, no network namespace (iproute2 and root, or user namespaces): {why}")
            .unwrap();
        return;
    }
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
