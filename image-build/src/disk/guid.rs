//! GUIDs as GPT writes them, all of them following from content: same inputs, same bytes.

use std::fmt;

use sha2::{Digest, Sha256};

/// A GUID in the order of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guid([u8; 16]);

impl Guid {
    /// These bytes, in the order of the text.
    #[must_use]
    pub const fn of_text_order(bytes: u128) -> Self {
        Self(bytes.to_be_bytes())
    }

    /// The first 16 bytes of a digest, unchanged: how the Discoverable Partitions Specification
    /// names a partition after the root hash of what is on it.
    #[must_use]
    pub fn of_root_hash(hash: &[u8; 32]) -> Self {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(hash) {
            *to = *from;
        }
        Self(bytes)
    }

    /// A GUID of version 8 (RFC 9562: own content) from what it names and a digest.
    #[must_use]
    pub fn derived(of: &str, digest: &[u8; 32]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"orlop disk ");
        hasher.update(of);
        hasher.update(b"\0");
        hasher.update(digest);
        let Self(mut bytes) = Self::of_root_hash(&hasher.finalize().into());
        let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
        *version = (*version & 0x0f) | 0x80;
        *variant = (*variant & 0x3f) | 0x80;
        Self(bytes)
    }

    /// As it stands in a partition table: the first three fields little-endian (UEFI, appendix A).
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let [i, j, k, l, m, n, o, p] = rest;
        [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
    }

    /// As its text has it, for what is no partition table.
    #[must_use]
    pub fn text_order(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.write_str("-")?;
            }
            write!(out, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_table_order_are_the_specifications() {
        let esp = Guid::of_text_order(0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B);
        assert_eq!(esp.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(
            hex::encode(esp.to_bytes()),
            "28732ac11ff8d211ba4b00a0c93ec93b"
        );
    }

    #[test]
    fn a_derived_one_is_of_version_8() {
        let guid = Guid::derived("disk", &[7; 32]).to_string();
        assert_eq!((&guid[14..15], guid.len()), ("8", 36));
        assert!(["8", "9", "a", "b"].contains(&&guid[19..20]), "{guid}");
        assert_ne!(Guid::derived("state", &[7; 32]).to_string(), guid);
    }
}
