//! Which format a disk image is of: by its content, since a name may say anything.

use std::fmt;

/// How many bytes of a file's begin [`Format::detect`] wants to see.
pub(crate) const HEAD: usize = 1024;
/// How many bytes of a file's end.
pub(crate) const TAIL: usize = 512;

/// A format that a disk image may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Sector by sector as on a disk.
    Raw,
    /// QEMU's.
    Qcow2,
    /// VMware's, in one file.
    Vmdk {
        /// Compressed for transport (`streamOptimized`): nobody can write to it.
        stream_optimized: bool,
    },
    /// Microsoft's, of fixed size or dynamic.
    Vhd,
    /// Raw, compressed with zstd.
    RawZst,
}

impl Format {
    /// What a file with this begin and end is; nothing when it is no format of these.
    pub(crate) fn detect(head: &[u8], tail: &[u8]) -> Option<Self> {
        // A dynamic VHD has its footer at the begin too, a fixed one is raw but for the footer
        // (Microsoft, Virtual Hard Disk Image Format Specification 1.0).
        if tail.starts_with(b"conectix") || head.starts_with(b"conectix") {
            return Some(Self::Vhd);
        }
        if head.starts_with(b"QFI\xfb") {
            return Some(Self::Qcow2);
        }
        if head.starts_with(b"KDMV") {
            // Bit 16 of `flags`: grains are compressed (VMware Virtual Disk Format 5.0, SparseExtentHeader).
            let stream_optimized = head.get(10).is_some_and(|flags| flags & 1 != 0);
            return Some(Self::Vmdk { stream_optimized });
        }
        if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            return Some(Self::RawZst);
        }
        let gpt = head
            .get(512..)
            .is_some_and(|rest| rest.starts_with(b"EFI PART"));
        gpt.then_some(Self::Raw)
    }

    /// As QEMU names it; nothing when QEMU cannot read it.
    pub(crate) fn of_qemu(self) -> Option<&'static str> {
        match self {
            Self::Raw => Some("raw"),
            Self::Qcow2 => Some("qcow2"),
            Self::Vmdk { .. } => Some("vmdk"),
            Self::Vhd => Some("vpc"),
            Self::RawZst => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk { .. } => "vmdk",
            Self::Vhd => "vhd",
            Self::RawZst => "raw.zst",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(start: &[u8]) -> Vec<u8> {
        let mut bytes = start.to_vec();
        bytes.resize(HEAD, 0);
        bytes
    }

    #[test]
    fn each_is_known_by_its_own_mark() {
        let mut gpt = head(b"");
        gpt[512..520].copy_from_slice(b"EFI PART");
        let none = [0; TAIL];
        let mut footer = [0; TAIL];
        footer[..8].copy_from_slice(b"conectix");
        let vmdk = |flags: u8| head(&[b'K', b'D', b'M', b'V', 3, 0, 0, 0, 3, 0, flags]);
        let of = |head: &[u8], tail: &[u8]| Format::detect(head, tail);
        assert_eq!(of(&gpt, &none), Some(Format::Raw));
        assert_eq!(of(&gpt, &footer), Some(Format::Vhd), "a fixed one");
        assert_eq!(of(&head(b"conectix"), &none), Some(Format::Vhd));
        assert_eq!(of(&head(b"QFI\xfb"), &none), Some(Format::Qcow2));
        assert_eq!(
            of(&vmdk(0), &none),
            Some(Format::Vmdk {
                stream_optimized: false
            })
        );
        assert_eq!(
            of(&vmdk(1), &none),
            Some(Format::Vmdk {
                stream_optimized: true
            })
        );
        assert_eq!(of(&head(b"\x28\xb5\x2f\xfd"), &none), Some(Format::RawZst));
        assert_eq!(of(&head(b"\x1f\x8b"), &none), None);
        assert_eq!(of(b"", b""), None);
    }
}
