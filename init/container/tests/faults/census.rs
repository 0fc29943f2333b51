//! What a launch could leave behind, counted: descriptors, mounts, children, cgroups, id ranges.

use std::collections::BTreeMap;
use std::fs;

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

/// What this process holds of the kernel now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census {
    /// How many descriptors of each kind, such as `anon_inode:[pidfd]` or `net`.
    descriptors: BTreeMap<String, usize>,
    /// The mounts that this process sees.
    mounts: String,
}

impl Census {
    pub(crate) fn take() -> Self {
        let mut descriptors = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/fd").unwrap() {
            let link = fs::read_link(entry.unwrap().path()).unwrap_or_default();
            // `pipe:[12345]`: every pipe is another number.
            let link = link.display().to_string();
            let kind = link.split(":[").next().unwrap_or_default().to_owned();
            *descriptors.entry(kind).or_insert(0) += 1;
        }
        Self {
            descriptors,
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap(),
        }
    }

    /// What is there now and was not before; empty when nothing was left.
    pub(crate) fn left_since(before: &Self) -> Vec<String> {
        let now = Self::take();
        let mut left = Vec::new();
        if now.mounts != before.mounts {
            left.push("mounts".to_owned());
        }
        for (kind, count) in &now.descriptors {
            let had = before.descriptors.get(kind).copied().unwrap_or(0);
            if *count > had {
                left.push(format!("{} descriptors of {kind}", count - had));
            }
        }
        left
    }
}

/// Reaps until no child is left, running or not. One that never ends is a hang of the test.
pub(crate) fn reap_all() {
    while waitpid(None, None) != Err(Errno::ECHILD) {}
}

/// Whether a child is left: a running one, or one that nobody reaped.
pub(crate) fn has_children() -> bool {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Err(Errno::ECHILD) => false,
        Ok(WaitStatus::StillAlive | _) | Err(_) => true,
    }
}

/// How many processes of the machine have an id range that starts here.
pub(crate) fn users_of_range(base: u32) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let maps = processes.filter_map(|entry| fs::read_to_string(entry.path().join("uid_map")).ok());
    maps.filter(|map| map.split_whitespace().nth(1) == Some(&base.to_string()))
        .count()
}
