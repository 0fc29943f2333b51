//! Writes a [`Tree`] as one uncompressed EROFS file.
//!
//! Own writer rather than mkfs.erofs: Debian 12's takes no tar and no list of owners, so that
//! ownership would need fakeroot around a staged copy of every file; here the bytes follow from
//! the tree alone, and equal files of all images are one inode (`docs/adr/0006`). The format is
//! the kernel's `fs/erofs/erofs_fs.h`; `fsck.erofs --extract` is the tests' oracle.
//!
//! ```text
//! block 0    nothing, then the superblock at byte 1024
//! block 1…   inodes of 32 bytes in slots (nid = byte offset / 32), short tails right behind them
//! then       the blocks of what is not inline, file after file
//! ```

mod directory;
mod layout;
mod ondisk;
mod write;

#[cfg(test)]
mod tests;

pub use layout::LayoutError;
pub use write::{WriteError, write};
