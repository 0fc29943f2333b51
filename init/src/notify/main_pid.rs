//! `MAINPID=`: a pid as the sender counts it becomes one of the machine.

use std::fs;
use std::path::Path;

use super::proc::Process;
use super::sender::{Origin, is_inside};

/// So many processes of a service are looked at; one with more cannot name another main process.
const MOST: usize = 256;

/// The process that has the number `wanted` in the sender's pid namespace, if it is one of the
/// service's: a pid that is not there, or lives elsewhere, is nobody (edge cases 29 and 31).
#[must_use]
pub(super) fn find(origin: &Origin, cgroup: &Path, sender: i32, wanted: i32) -> Option<i32> {
    let namespace = Process(sender).pid_namespace()?;
    let mut pids = Vec::new();
    collect(cgroup, &mut pids);
    pids.into_iter().find(|&pid| {
        let process = Process(pid);
        process.inner_pid() == Some(wanted)
            && process.pid_namespace().as_ref() == Some(&namespace)
            && is_inside(origin, pid)
    })
}

/// The processes of a cgroup and of those below it.
fn collect(cgroup: &Path, pids: &mut Vec<i32>) {
    let text = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    let Ok(entries) = fs::read_dir(cgroup) else {
        return;
    };
    for entry in entries.flatten() {
        if pids.len() >= MOST {
            pids.truncate(MOST);
            return;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), pids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a cgroup, with these processes in a cgroup below it.
    fn cgroup(pids: &[u32]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("worker");
        fs::create_dir(&below).unwrap();
        fs::write(folder.path().join("cgroup.procs"), "").unwrap();
        let text: String = pids.iter().map(|pid| format!("{pid}\n")).collect();
        fs::write(below.join("cgroup.procs"), text).unwrap();
        folder
    }

    #[test]
    fn edge_29_only_a_process_of_the_service_can_be_its_main_process() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let this: i32 = std::process::id().try_into().unwrap();
        let other: i32 = child.id().try_into().unwrap();
        let here = Process(this).cgroup().unwrap();
        let origin = Origin {
            cgroup: here,
            uids: None,
        };
        let folder = cgroup(&[std::process::id(), child.id()]);
        let own = Process(other).inner_pid().unwrap();
        assert_eq!(find(&origin, folder.path(), this, own), Some(other));
        // Not in the cgroup's list: 1, and one that does not exist.
        assert_eq!(find(&origin, folder.path(), this, 1), None);
        assert_eq!(find(&origin, folder.path(), this, i32::MAX), None);
        // In the list, and gone to another cgroup since.
        let moved = Origin {
            cgroup: "/services/web".to_owned(),
            uids: None,
        };
        assert_eq!(find(&moved, folder.path(), this, own), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
