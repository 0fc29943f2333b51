//! The system on a disk: one of two slots, partitions that hold an EROFS and behind it the dm-verity
//! hashes by which the kernel checks every block that is read (docs/adr/0013-disk.md).
//!
//! The kernel's command line says so by `roothash=`. Stage `devices` finds the slot, `storage` opens
//! it, and a task listens for bad blocks from then on.

mod bad_blocks;
mod find;
mod open;
mod superblock;

use std::fmt;
use std::path::{Path, PathBuf};

pub(super) use find::find;
pub(super) use open::open;

/// The device by which the kernel checks what it reads; `create_read_only` makes no other.
const DEVICE: &str = "dm-0";
/// What to do about a slot that is not as it was written.
pub(super) const REMEDY: &str = "flash the disk again with `orlop flash`";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// Partition `orlop-system-a`.
    A,
    /// Partition `orlop-system-b`.
    B,
}

/// The slot that holds the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Which of the disk's two.
    pub letter: Letter,
    /// The partition, as below `/dev`: `vda2`.
    pub partition: String,
    /// The whole disk that it lies on: `vda`.
    pub disk: String,
}

impl Slot {
    /// The partition's node.
    fn node(&self) -> PathBuf {
        Path::new("/dev").join(&self.partition)
    }
}

impl fmt::Display for Slot {
    /// As all sentences name it: `slot A (vda2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.letter {
            Letter::A => "A",
            Letter::B => "B",
        };
        f.write_str("slot ")?;
        f.write_str(letter)?;
        f.write_str(" (")?;
        f.write_str(&self.partition)?;
        f.write_str(")")
    }
}
