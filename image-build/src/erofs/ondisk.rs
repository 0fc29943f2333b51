//! The on-disk structures of EROFS that are used here, as bytes (little-endian).

/// Bytes a block.
pub(super) const BLOCK: u64 = 4096;
/// [`BLOCK`] as a length in memory.
pub(super) const BLOCK_LEN: usize = 4096;
/// The first slot of block 1 is the root directory's.
pub(super) const ROOT_NID: u16 = 128;
/// log2 of [`BLOCK`].
const BLOCK_BITS: u8 = 12;
/// Bytes a compact inode, and a slot of the nid count.
pub(super) const SLOT: u64 = 32;
/// Where the superblock begins.
pub(super) const SUPERBLOCK_OFFSET: usize = 1024;
/// Bytes of the superblock.
const SUPERBLOCK_LEN: usize = 128;
/// Bytes a directory entry without its name.
pub(super) const DIRENT: usize = 12;

/// `EROFS_SUPER_MAGIC_V1`.
const MAGIC: u32 = 0xE0F5_E1E2;
/// `EROFS_FEATURE_COMPAT_MTIME`: times are modification times.
const COMPAT_MTIME: u32 = 2;

/// How an inode's content is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataLayout {
    /// Whole blocks only.
    FlatPlain,
    /// Whole blocks, and the rest right behind the inode.
    FlatInline,
}

/// A directory entry's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FileType {
    Regular = 1,
    Directory = 2,
    CharDevice = 3,
    Symlink = 7,
}

impl FileType {
    /// The type's bits of `st_mode` (inode(7)).
    pub(super) fn mode_bits(self) -> u16 {
        match self {
            Self::Regular => 0o100_000,
            Self::Directory => 0o040_000,
            Self::CharDevice => 0o020_000,
            Self::Symlink => 0o120_000,
        }
    }
}

/// `struct erofs_inode_compact`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) layout: DataLayout,
    /// With the type's bits.
    pub(super) mode: u16,
    pub(super) nlink: u16,
    pub(super) size: u32,
    /// First block, or the device's number.
    pub(super) union: u32,
    pub(super) ino: u32,
    pub(super) uid: u16,
    pub(super) gid: u16,
}

impl Inode {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Bit 0 is 0 for a compact inode, bits 1 to 3 are the layout.
        let format: u16 = match self.layout {
            DataLayout::FlatPlain => 0,
            DataLayout::FlatInline => 2 << 1,
        };
        let mut bytes = Vec::with_capacity(32);
        bytes.extend(format.to_le_bytes());
        bytes.extend([0; 2]); // no extended attributes
        bytes.extend(self.mode.to_le_bytes());
        bytes.extend(self.nlink.to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.union.to_le_bytes());
        bytes.extend(self.ino.to_le_bytes());
        bytes.extend(self.uid.to_le_bytes());
        bytes.extend(self.gid.to_le_bytes());
        bytes.extend([0; 4]);
        bytes
    }
}

/// `struct erofs_super_block`, as far as an uncompressed image fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) root_nid: u16,
    pub(super) inodes: u64,
    /// Seconds since 1970: every file's modification time.
    pub(super) epoch: u64,
    pub(super) blocks: u32,
    pub(super) uuid: [u8; 16],
}

impl Superblock {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SUPERBLOCK_LEN);
        bytes.extend(MAGIC.to_le_bytes());
        bytes.extend([0; 4]); // checksum, unused without its feature bit
        bytes.extend(COMPAT_MTIME.to_le_bytes());
        bytes.push(BLOCK_BITS);
        bytes.push(0); // no extension slots
        bytes.extend(self.root_nid.to_le_bytes());
        bytes.extend(self.inodes.to_le_bytes());
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend([0; 4]); // nanoseconds
        bytes.extend(self.blocks.to_le_bytes());
        bytes.extend([0; 4]); // metadata counts from block 0
        bytes.extend([0; 4]); // no shared extended attributes
        bytes.extend(self.uuid);
        bytes.extend(*b"orlop-system\0\0\0\0");
        bytes.resize(SUPERBLOCK_LEN, 0); // no incompatible feature, no extra device
        bytes
    }
}
