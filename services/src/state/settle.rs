//! After the mount, while the services run already: a UUID of its own instead of the template's, and
//! as large as its device. Both are the kernel's journaled doing: cut off, the next boot does it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use orlop_sys::ext4;

use super::answer::Answer;
use super::disk::{Disk, DiskError};
use super::prepare::random_uuid;
use super::size;
use super::superblock::{self, Superblock};
use super::template;

/// What the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The device.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The mounted root.
    #[error("open {}", path.display())]
    Open {
        /// The mount point.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// EXT4_IOC_SETFSUUID.
    #[error("give the state a UUID of its own")]
    Uuid(#[source] Errno),
    /// EXT4_IOC_RESIZE_FS.
    #[error("grow the state from {} to {}", size(*from), size(*to))]
    Resize {
        /// Bytes.
        from: u64,
        /// Bytes.
        to: u64,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// Does what is left to do.
pub(super) fn run(device: &Path, mount: &Path) -> Result<Answer, SettleError> {
    let mut answer = Answer::default();
    let disk = Disk::open(device)?;
    // The kernel's own copy: it is one page cache.
    let read = || -> Result<Option<Superblock>, DiskError> {
        let bytes = disk.read(superblock::OFFSET, superblock::LENGTH);
        Ok(Superblock::parse(
            &bytes.map_err(|source| disk.unread(source))?,
        ))
    };
    let Some(found) = read()? else {
        return Ok(answer);
    };
    let root = File::open(mount).map_err(|source| SettleError::Open {
        path: mount.to_owned(),
        source,
    })?;
    if found.uuid == template::UUID {
        ext4::set_uuid(root.as_fd(), random_uuid()).map_err(SettleError::Uuid)?;
    }
    if let Some(blocks) = found.to_grow(disk.size) {
        let bytes = |blocks: u64| blocks * found.block_size;
        ext4::resize(root.as_fd(), blocks).map_err(|source| SettleError::Resize {
            from: bytes(found.blocks),
            to: bytes(blocks),
            source,
        })?;
        // A last group that is too small for its own tables is not made, and nothing grows.
        let now = read()?.map_or(found.blocks, |superblock| superblock.blocks);
        if now > found.blocks {
            answer.say(format!(
                "the state grew from {} to {}",
                size(bytes(found.blocks)),
                size(bytes(now))
            ));
        }
    }
    Ok(answer)
}
