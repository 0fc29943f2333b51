//! What the kernel says of a cgroup in `cgroup.events` and `memory.events.local`
//! (Documentation/admin-guide/cgroup-v2): opened once, read at each look.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

/// So much is read: ten short lines are the most that a kernel has written yet.
const LONGEST: usize = 512;

/// Such a file. Clones are the same open file: poll(2) reports POLLPRI for what has changed since any
/// of them was read last (kernfs_generic_poll).
#[derive(Debug, Clone)]
pub struct EventsFile(Rc<File>);

impl EventsFile {
    /// Opens it. What has changed until now is not reported any more.
    ///
    /// # Errors
    /// ENOENT when there is no such file, EMFILE.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = Self(Rc::new(File::open(path)?));
        file.look()?;
        Ok(file)
    }

    /// Takes note of what has changed: from now on only what follows is reported.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub fn look(&self) -> io::Result<()> {
        self.0.read_at(&mut [0], 0).map(drop)
    }

    /// What it counts under a key; `None` for a key that this kernel does not have.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub(super) fn count(&self, key: &str) -> io::Result<Option<u64>> {
        let mut buffer = [0; LONGEST];
        Ok(count(self.text(&mut buffer)?, key))
    }

    /// How often the kernel has killed, as [`oom_kills`] counts.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub(super) fn oom_kills(&self) -> io::Result<u64> {
        let mut buffer = [0; LONGEST];
        self.text(&mut buffer).map(oom_kills)
    }

    fn text<'b>(&self, buffer: &'b mut [u8; LONGEST]) -> io::Result<&'b str> {
        let length = self.0.read_at(buffer, 0)?;
        let read = buffer.get(..length).unwrap_or_default();
        std::str::from_utf8(read).map_err(io::Error::other)
    }
}

impl AsFd for EventsFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for EventsFile {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// The value of a line `key value`.
fn count(events: &str, key: &str) -> Option<u64> {
    let mut lines = events.lines().filter_map(|line| line.split_once(' '));
    let value = lines.find(|(name, _)| *name == key)?.1;
    value.parse().ok()
}

/// `oom_kill` counts each process of a group kill too; `oom_group_kill` the group (Linux 5.17).
fn oom_kills(events: &str) -> u64 {
    match count(events, "oom_group_kill") {
        Some(groups) if groups > 0 => groups,
        _ => count(events, "oom_kill").unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edge_21_a_group_that_is_killed_together_counts_as_one() {
        let before = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\noom_group_kill 0\n";
        assert_eq!(oom_kills(before), 2);
        assert_eq!(oom_kills("oom_kill 5\noom_group_kill 1\n"), 1);
        assert_eq!(oom_kills(""), 0);
    }

    #[test]
    fn each_look_sees_what_the_file_says_now() {
        let path = std::env::temp_dir().join(format!("orlop-events-{}", std::process::id()));
        std::fs::write(&path, "populated 1\nfrozen 0\n").unwrap();
        let events = EventsFile::open(&path).unwrap();
        assert_eq!(events.count("populated").unwrap(), Some(1));
        std::fs::write(&path, "populated 0\nfrozen 0\n").unwrap();
        assert_eq!(events.clone().count("populated").unwrap(), Some(0));
        assert_eq!(events.count("oom_kill").unwrap(), None);
        std::fs::remove_file(&path).unwrap();
    }
}
