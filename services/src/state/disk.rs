//! A block device: sizes, reads, writes, what the kernel knows of its partitions.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use orlop_sys::block;

use super::gpt::Partition;
use super::gpt::SECTOR;

/// What went wrong with a disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// open(2), or asking for its size.
    #[error("open {}", path.display())]
    Open {
        /// The device.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A read.
    #[error("read {}", path.display())]
    Read {
        /// The device.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A write or a flush.
    #[error("write {}", path.display())]
    Write {
        /// The device.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel does not take the new partition.
    #[error("tell the kernel of {}", path.display())]
    Tell {
        /// The partition.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// An open one, for reading and writing.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    file: File,
    /// In bytes.
    pub size: u64,
}

impl Disk {
    /// Opens a block device.
    ///
    /// # Errors
    /// When it cannot be opened for writing, or is no block device.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let open = || {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            let size = block::size(file.as_fd())?;
            Ok(Self {
                path: path.to_owned(),
                file,
                size,
            })
        };
        open().map_err(|source: io::Error| DiskError::Open {
            path: path.to_owned(),
            source,
        })
    }

    /// Whether its sectors are those that tables are read and written in here.
    #[must_use]
    pub fn has_small_sectors(&self) -> bool {
        block::sector_size(self.file.as_fd()).is_ok_and(|bytes| u64::from(bytes) == SECTOR)
    }

    /// As many bytes from an offset on.
    ///
    /// # Errors
    /// Of pread(2).
    pub fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Says what a read went wrong on.
    #[must_use]
    pub fn unread(&self, source: io::Error) -> DiskError {
        DiskError::Read {
            path: self.path.clone(),
            source,
        }
    }

    fn unwritten(&self, source: io::Error) -> DiskError {
        DiskError::Write {
            path: self.path.clone(),
            source,
        }
    }

    /// Writes at an offset.
    ///
    /// # Errors
    /// Of pwrite(2).
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|source| self.unwritten(source))
    }

    /// Makes a range read as zeros.
    ///
    /// # Errors
    /// Of the device.
    pub fn zero(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        let zeroed = block::zero(self.file.as_fd(), offset, length);
        zeroed.map_err(|errno| self.unwritten(errno.into()))
    }

    /// All that was written is on the disk for good.
    ///
    /// # Errors
    /// Of fsync(2).
    pub fn sync(&self) -> Result<(), DiskError> {
        let synced = self.file.sync_all();
        synced.map_err(|source| self.unwritten(source))
    }

    /// Has the kernel see a partition as the table says it is, and gives its device.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub fn show_partition(&self, partition: Partition) -> Result<PathBuf, DiskError> {
        let path = partition_path(&self.path, partition.number);
        let wanted = block::Partition {
            number: partition.number,
            start: partition.first * SECTOR,
            length: partition.sectors * SECTOR,
        };
        let told = match sectors_known(&path) {
            None => block::add_partition(self.file.as_fd(), wanted),
            Some(sectors) if sectors != partition.sectors => {
                block::resize_partition(self.file.as_fd(), wanted)
            }
            Some(_) => Ok(()),
        };
        match told {
            Ok(()) => Ok(path),
            Err(source) => Err(DiskError::Tell { path, source }),
        }
    }
}

/// `/dev/vda4`, `/dev/nvme0n1p4`.
#[must_use]
pub fn partition_path(disk: &Path, number: u32) -> PathBuf {
    let disk = disk.to_string_lossy();
    let between = match disk.ends_with(|last: char| last.is_ascii_digit()) {
        true => "p",
        false => "",
    };
    PathBuf::from(format!("{disk}{between}{number}"))
}

/// How long the kernel holds a partition to be; `None` when it knows none.
fn sectors_known(partition: &Path) -> Option<u64> {
    let sysfs = Path::new("/sys/class/block").join(partition.file_name()?);
    fs::read_to_string(sysfs.join("size"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_called_as_the_kernel_calls_it() {
        let path = |disk: &str| partition_path(Path::new(disk), 4).display().to_string();
        assert_eq!(path("/dev/vda"), "/dev/vda4");
        assert_eq!(path("/dev/nvme0n1"), "/dev/nvme0n1p4");
        assert_eq!(path("/dev/mmcblk0"), "/dev/mmcblk0p4");
    }
}
