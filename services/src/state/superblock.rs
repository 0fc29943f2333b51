//! What an ext4's superblock says (linux fs/ext4/ext4.h, `struct ext4_super_block`). Pure.

use crc::{CRC_32_ISCSI, Crc};

/// Where it is, and how long.
pub const OFFSET: u64 = 1024;
/// In bytes.
pub const LENGTH: usize = 1024;
/// Where its own sum is, behind all that is summed; the sum starts from all ones, and is not inverted.
const SUM: usize = 0x3fc;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
const LABEL: &[u8; 12] = b"orlop-state\0";

/// Of one file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    /// How many blocks it has.
    pub blocks: u64,
    /// Bytes of one.
    pub block_size: u64,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Whether it keeps sums of itself (`metadata_csum`).
    pub has_sums: bool,
    /// Whether it is called `orlop-state`.
    pub is_ours: bool,
}

impl Superblock {
    /// Reads the bytes at [`OFFSET`]; `None` when that is no ext4's.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        if u16_at(0x38)? != 0xef53 {
            return None;
        }
        let is_64bit = u32_at(0x60)? & 0x80 != 0;
        let high = if is_64bit { u32_at(0x150)? } else { 0 };
        Some(Self {
            blocks: u64::from(u32_at(0x4)?) | u64::from(high) << 32,
            block_size: 1024_u64.checked_shl(u32_at(0x18)?)?,
            uuid: *bytes.get(0x68..)?.first_chunk()?,
            has_sums: u32_at(0x64)? & 0x400 != 0,
            is_ours: bytes.get(0x78..)?.starts_with(LABEL),
        })
    }

    /// How many blocks it could have on a device of so many bytes, when those are more and it is
    /// ours to grow.
    #[must_use]
    pub fn to_grow(&self, device: u64) -> Option<u64> {
        let blocks = device.checked_div(self.block_size)?;
        (self.is_ours && blocks > self.blocks).then_some(blocks)
    }
}

/// The bytes with the right sum, when they are ours and have a wrong one: written when the power went,
/// half of it is older than the rest. Each half is sound, and e2fsck looks at all of it.
#[must_use]
pub fn with_right_sum(bytes: &[u8]) -> Option<Vec<u8>> {
    let found = Superblock::parse(bytes).filter(|found| found.is_ours)?;
    let sum = !CRC.checksum(bytes.get(..SUM)?);
    let mut mended = bytes.to_vec();
    mended.get_mut(SUM..)?.copy_from_slice(&sum.to_le_bytes());
    (found.has_sums && mended != bytes).then_some(mended)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::process::Command;

    use super::*;

    #[test]
    fn the_sum_is_mke2fs_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        File::create(&path).unwrap().set_len(32 << 20).unwrap();
        let made = Command::new("mke2fs")
            .args([
                "-q",
                "-F",
                "-t",
                "ext4",
                "-O",
                "metadata_csum",
                "-b",
                "4096",
                "-L",
                "orlop-state",
            ])
            .arg(&path)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .status();
        assert!(made.unwrap().success());
        let disk = fs::read(&path).unwrap();
        let bytes = &disk[1024..2048];
        let found = Superblock::parse(bytes).unwrap();
        assert_eq!((found.blocks, found.block_size), (8192, 4096));
        assert!(found.is_ours && found.has_sums);
        assert_eq!(with_right_sum(bytes), None, "it has the right one");
        let mut torn = bytes.to_vec();
        torn[SUM] ^= 1;
        assert_eq!(with_right_sum(&torn).unwrap(), bytes);
        torn[0x78] = b'x';
        assert_eq!(with_right_sum(&torn), None, "not ours");
        assert_eq!(found.to_grow(64 << 20), Some(16384));
        assert_eq!(found.to_grow(32 << 20), None);
    }
}
