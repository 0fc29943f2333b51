//! What the guest wrote to its console, read back to tell a reboot from a kernel panic.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// What Linux prints at the begin of every panic (kernel/panic.c).
const PANIC: &str = "Kernel panic - not syncing";

/// The transcript that QEMU writes, and how far it has been read.
pub(super) struct ConsoleLog {
    path: PathBuf,
    offset: u64,
}

impl ConsoleLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    /// The line of the kernel's panic in what came since the last call, if there is one.
    pub(super) fn panic_since(&mut self) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        let mut bytes = Vec::new();
        self.offset += file.read_to_end(&mut bytes).ok()? as u64;
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .find(|line| line.contains(PANIC))
            .map(|line| line.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_panic_is_found_once_and_a_reboot_is_none() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut log = ConsoleLog::new(file.path().to_owned());
        writeln!(file, "[  1.0] reboot: Restarting system\r").unwrap();
        assert_eq!(log.panic_since(), None);
        writeln!(file, "[  2.0] Kernel panic - not syncing: no init\r").unwrap();
        let line = "[  2.0] Kernel panic - not syncing: no init";
        assert_eq!(log.panic_since().as_deref(), Some(line));
        assert_eq!(log.panic_since(), None);
    }
}
