//! The state disk: a sparse file with an empty ext4, kept from run to run.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Memory;
use crate::disk::{self, Purpose};

/// The disk's file, locked until dropped: two machines on one file would destroy it.
#[derive(Debug)]
pub(super) struct StateDisk {
    pub(super) path: PathBuf,
    /// Whether it was made just now.
    pub(super) new: bool,
    _lock: File,
}

impl StateDisk {
    /// Opens the disk at `path`, making it when it is missing or when a `fresh` one is wanted; with
    /// `quota`, for volumes that have a size.
    ///
    /// # Errors
    /// When another machine uses it, or when it cannot be made.
    pub(super) fn open(path: &Path, size: Memory, fresh: bool, quota: bool) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("{} is in use by a machine that runs", path.display())
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", path.display()));
            }
        }
        let empty = file.metadata().context("look at the state disk")?.len() == 0;
        let new = fresh || empty;
        if new {
            format(&file, path, size, quota)?;
        }
        Ok(Self {
            path: path.to_owned(),
            new,
            _lock: file,
        })
    }
}

/// The file is emptied first, and gets its size last: a run that is cut off leaves an empty file,
/// which the next run formats again.
fn format(file: &File, path: &Path, size: Memory, quota: bool) -> Result<()> {
    let resized = |bytes| {
        file.set_len(bytes)
            .with_context(|| format!("resize {}", path.display()))
    };
    resized(0)?;
    // Of its full size from the start: there is nothing to grow at the boot.
    let formatted = disk::format(path, size.mib << 20, Purpose::OneMachine { quota });
    if formatted.is_err() {
        resized(0)?;
    }
    formatted
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Memory = Memory { mib: 64 };

    #[test]
    fn a_disk_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.img");
        assert!(StateDisk::open(&path, SIZE, false, false).unwrap().new);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 64 << 20);
        assert_eq!(&bytes[0x438..0x43a], &[0x53, 0xef], "ext4's magic");
        assert_eq!(&bytes[0x478..0x483], b"orlop-state");
        assert!(!StateDisk::open(&path, SIZE, false, false).unwrap().new);
        let quota = |bytes: &[u8]| bytes[0x465] & 1 == 1;
        assert!(!quota(&bytes), "nobody asked for it");
        assert!(StateDisk::open(&path, SIZE, true, true).unwrap().new);
        assert!(quota(&std::fs::read(&path).unwrap()));
    }

    #[test]
    fn a_disk_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.img");
        let _first = StateDisk::open(&path, SIZE, false, false).unwrap();
        let error = StateDisk::open(&path, SIZE, true, false)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("{} is in use by a machine that runs", path.display())
        );
    }
}
