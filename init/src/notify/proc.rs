//! A process as /proc shows it (proc(5)). None of these files waits for the process itself.

use std::fs;
use std::path::PathBuf;

/// A process of the machine's pid namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process(pub(super) i32);

impl Process {
    /// The path of its cgroup, from the root of the cgroup2 mount.
    pub(super) fn cgroup(self) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/cgroup", self.0)).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("0::"))
            .map(str::to_owned)
    }

    /// Its pid namespace, as a name that can be compared.
    pub(super) fn pid_namespace(self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/ns/pid", self.0)).ok()
    }

    /// Its pid in its own pid namespace: the last number of NSpid in proc_pid_status(5).
    pub(super) fn inner_pid(self) -> Option<i32> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let pids = text.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        pids.split_ascii_whitespace().next_back()?.parse().ok()
    }
}
