//! What an ext4's superblock says (linux fs/ext4/ext4.h, `struct ext4_super_block`). Pure.

/// Where it is, and how long.
pub const OFFSET: u64 = 1024;
/// In bytes.
pub const LENGTH: usize = 1024;
const ERRORS: u16 = 2;
const LABEL: &[u8; 12] = b"orlop-state\0";

/// Of one file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    /// How many blocks it has.
    pub blocks: u64,
    /// Bytes of one.
    pub block_size: u64,
    /// Whether the kernel has met an error in it.
    pub has_errors: bool,
    /// Its UUID.
    pub uuid: [u8; 16],
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
            has_errors: u16_at(0x3a)? & ERRORS != 0,
            uuid: *bytes.get(0x68..)?.first_chunk()?,
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
