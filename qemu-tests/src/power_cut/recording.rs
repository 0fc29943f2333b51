//! A disk whose writes QEMU writes down.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::cut::Cut;
use super::disk;
use super::write_log::{self, Entry};

/// The disk as it was when the recording began, and the log.
#[derive(Debug)]
pub struct Recording {
    base: PathBuf,
    log: PathBuf,
}

impl Recording {
    /// The recording that was made in `folder`.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self {
            base: folder.join("base.img"),
            log: folder.join("writes.log"),
        }
    }

    /// Begins a recording of the disk in `folder`, where the disk as it is now is kept.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn begin(folder: &Path, disk: &Path) -> Result<Self> {
        let recording = Self::of(folder);
        disk::copy(disk, &recording.base)?;
        // QEMU opens it and does not make it.
        File::create(&recording.log).context("make the log")?;
        Ok(recording)
    }

    /// The arguments of `orlop run` that have QEMU's drive `state` (of a machine's folder) or `disk` (of
    /// a raw disk image) written down. The drive is that of the disk that [`begin`](Self::begin) took.
    #[must_use]
    pub fn arguments(&self, drive: &str) -> Vec<String> {
        let log = self.log.display().to_string();
        let set = [
            ("format", "blklogwrites"),
            ("log.driver", "file"),
            ("log.filename", &log),
            // Nobody pulls the workstation's plug.
            ("log.cache.no-flush", "on"),
            ("file.cache.no-flush", "on"),
        ];
        let set = set.map(|(key, value)| ["-set".into(), format!("drive.{drive}.{key}={value}")]);
        // The log of zeros that are not written out has had errors; without, the guest writes them.
        let zeros = ["-global".into(), "virtio-blk-pci.write-zeroes=off".into()];
        let words = set.into_iter().flatten().chain(zeros);
        words.map(|word| format!("--qemu-arg={word}")).collect()
    }

    /// How long the log is: what the machine has been told to be done is before this.
    ///
    /// # Errors
    /// When the log is gone.
    pub fn position(&self) -> Result<u64> {
        Ok(fs::metadata(&self.log).context("look at the log")?.len())
    }

    /// All that was written down, up to the last flush.
    ///
    /// # Errors
    /// As [`write_log::read`].
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let size = fs::metadata(&self.base).context("look at the disk")?.len();
        let mut log = File::open(&self.log).context("open the log")?;
        write_log::read(&mut log, size).with_context(|| format!("read {}", self.log.display()))
    }

    /// Makes the disk that a cut leaves behind.
    ///
    /// # Errors
    /// As [`disk::make`].
    pub fn after(&self, cut: &Cut, entries: &[Entry], disk: &Path) -> Result<()> {
        disk::make(&self.base, &self.log, entries, cut, disk)
    }
}
