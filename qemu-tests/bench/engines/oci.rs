//! An OCI bundle with what a `restricted` service has, for crun and runc (runtime-spec, config.md).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The machine's id of the container's root.
const BASE: u32 = 9 << 16;

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// What a container is never allowed: the filter that comes out is as large as Orlop's.
const DENIED: [&str; 32] = [
    "acct",
    "add_key",
    "bpf",
    "delete_module",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "ptrace",
    "quotactl",
    "reboot",
    "request_key",
    "setns",
    "swapon",
    "syslog",
    "umount2",
    "unshare",
    "userfaultfd",
];

/// Writes `<work>/bundle/config.json`.
pub(super) fn bundle(work: &Path) -> Result<()> {
    let folder = work.join("bundle");
    fs::create_dir_all(&folder).context("make the bundle")?;
    let rootfs = work.join("images/bench");
    let text = config(&rootfs.to_string_lossy(), &allowed()?);
    fs::write(folder.join("config.json"), text.to_string()).context("write config.json")
}

/// Every system call of the headers but the denied ones.
fn allowed() -> Result<Vec<String>> {
    let path = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("#define __NR_"));
    let names = names.filter_map(|line| line.split_whitespace().next());
    Ok(names
        .filter(|name| !DENIED.contains(name))
        .map(str::to_owned)
        .collect())
}

fn config(rootfs: &str, allowed: &[String]) -> Value {
    let namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup", "user"];
    let namespaces: Vec<Value> = namespaces
        .iter()
        .map(|kind| json!({"type": kind}))
        .collect();
    let ids = json!([{"containerID": 0, "hostID": BASE, "size": 65536}]);
    let mount = |target: &str, kind: &str, options: &[&str]| json!({"destination": target, "type": kind, "source": kind, "options": options});
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true
        },
        "root": {"path": rootfs, "readonly": true},
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", &["nosuid", "nodev", "noexec"]),
            mount("/dev", "tmpfs", &["nosuid", "noexec", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "nodev", "noexec", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "nodev", "noexec"]),
            mount("/sys", "sysfs", &["nosuid", "nodev", "noexec", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["nosuid", "nodev", "noexec", "ro"]),
            mount("/run", "tmpfs", &["nosuid", "nodev", "noexec", "mode=755"]),
            mount("/tmp", "tmpfs", &["nosuid", "nodev", "noexec", "mode=1777"]),
        ],
        "linux": {
            "uidMappings": ids,
            "gidMappings": ids,
            "namespaces": namespaces,
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "seccomp": {
                "defaultAction": "SCMP_ACT_ERRNO",
                "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{"names": allowed, "action": "SCMP_ACT_ALLOW"}]
            }
        }
    })
}
