//! What is on a disk, told by the marks that file systems, volume managers and partition tables leave.
//! Pure but for the reads. A disk that has none of them is blank, and only a blank one is written to.
//!
//! The offsets are those of libblkid and wipefs(8).

use std::io;

/// From where an offset counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Start,
    /// Bytes before the end.
    End,
    /// md's superblock of format 0.90: the last whole 64 KiB but one.
    Md090,
    /// And that of format 1.0: at least 8 KiB before the end, at a multiple of 4 KiB.
    Md10,
}

/// A mark: these bytes at that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    name: &'static str,
    from: From,
    offset: u64,
    bytes: &'static [u8],
}

const fn mark(name: &'static str, offset: u64, bytes: &'static [u8]) -> Mark {
    Mark {
        name,
        from: From::Start,
        offset,
        bytes,
    }
}

const fn behind(name: &'static str, from: From, offset: u64, bytes: &'static [u8]) -> Mark {
    Mark {
        name,
        from,
        offset,
        bytes,
    }
}

/// ext2, ext3 and ext4.
pub const EXT: &str = "ext4";
const MD: &[u8] = &[0xfc, 0x4e, 0x2b, 0xa9];
const MD_BIG_ENDIAN: &[u8] = &[0xa9, 0x2b, 0x4e, 0xfc];
const BCACHE: &[u8] = &[0xc6, 0x85, 0x73, 0xf6];

/// What is a table's or a volume manager's comes after what lies inside: the first that is found
/// names the disk.
const MARKS: &[Mark] = &[
    mark(EXT, 0x438, &[0x53, 0xef]),
    mark("LUKS", 0, b"LUKS\xba\xbe"),
    // The second header of LUKS2, by which the first can be repaired.
    mark("LUKS", 0x4000, b"SKUL\xba\xbe"),
    mark("LUKS", 0x8000, b"SKUL\xba\xbe"),
    mark("LUKS", 0x1_0000, b"SKUL\xba\xbe"),
    mark("LUKS", 0x2_0000, b"SKUL\xba\xbe"),
    mark("LUKS", 0x4_0000, b"SKUL\xba\xbe"),
    mark("LVM", 0x200, b"LABELONE"),
    mark("LVM", 0, b"LABELONE"),
    mark("LVM", 0x400, b"LABELONE"),
    mark("LVM", 0x600, b"LABELONE"),
    mark("XFS", 0, b"XFSB"),
    mark("Btrfs", 0x1_0040, b"_BHRfS_M"),
    mark("F2FS", 0x400, &[0x10, 0x20, 0xf5, 0xf2]),
    mark("bcache", 0x1018, BCACHE),
    mark("NTFS", 3, b"NTFS    "),
    mark("exFAT", 3, b"EXFAT   "),
    mark("ReFS", 3, b"ReFS\0\0\0\0"),
    mark("BitLocker", 3, b"-FVE-FS-"),
    mark("FAT", 0x36, b"FAT12   "),
    mark("FAT", 0x36, b"FAT16   "),
    mark("FAT", 0x36, b"FAT     "),
    mark("FAT", 0x52, b"FAT32   "),
    mark("swap", 4086, b"SWAPSPACE2"),
    mark("swap", 4086, b"SWAP-SPACE"),
    mark("swap", 8182, b"SWAPSPACE2"),
    mark("swap", 16374, b"SWAPSPACE2"),
    mark("swap", 65526, b"SWAPSPACE2"),
    mark("a hibernated system", 4086, b"S1SUSPEND"),
    mark("a hibernated system", 4086, b"S2SUSPEND"),
    mark("a hibernated system", 4086, b"ULSUSPEND"),
    mark("a hibernated system", 4086, b"LINHIB0001"),
    mark("ISO 9660", 0x8001, b"CD001"),
    mark("UDF", 0x8001, b"BEA01"),
    mark("UDF", 0x8001, b"NSR0"),
    mark("EROFS", 0x400, &[0xe2, 0xe1, 0xf5, 0xe0]),
    mark("SquashFS", 0, b"hsqs"),
    mark("cramfs", 0, &[0x45, 0x3d, 0xcd, 0x28]),
    mark("romfs", 0, b"-rom1fs-"),
    mark("a dm-verity tree", 0, b"verity\0\0"),
    mark("dm-integrity", 0, b"integrt\0"),
    mark("JFS", 0x8000, b"JFS1"),
    mark("ReiserFS", 0x1_0034, b"ReIsEr"),
    mark("ReiserFS", 0x2034, b"ReIsEr"),
    mark("Reiser4", 0x1_0000, b"ReIsEr4"),
    mark("HFS", 0x400, b"BD"),
    mark("HFS+", 0x400, b"H+\0\x04"),
    mark("HFS+", 0x400, b"HX\0\x05"),
    mark("APFS", 0x20, b"NXSB"),
    mark("MINIX", 0x410, &[0x7f, 0x13]),
    mark("MINIX", 0x410, &[0x8f, 0x13]),
    mark("MINIX", 0x410, &[0x68, 0x24]),
    mark("MINIX", 0x410, &[0x78, 0x24]),
    mark("MINIX", 0x418, &[0x5a, 0x4d]),
    mark("NILFS2", 0x406, &[0x34, 0x34]),
    mark("OCFS2", 0x400, b"OCFSV2"),
    mark("OCFS2", 0x800, b"OCFSV2"),
    mark("OCFS2", 0x1000, b"OCFSV2"),
    mark("OCFS2", 0x2000, b"OCFSV2"),
    mark("GFS2", 0x1_0000, &[0x01, 0x16, 0x19, 0x70]),
    mark("UFS", 0x255c, &[0x19, 0x01, 0x54, 0x19]),
    mark("UFS", 0x1_055c, &[0x19, 0x01, 0x54, 0x19]),
    mark("VMFS", 0x10_0000, &[0x0d, 0xd0, 0x01, 0xc0]),
    mark("VMFS", 0x20_0000, &[0x5e, 0xf1, 0xab, 0x2f]),
    mark("BlueStore", 0, b"bluestore block device"),
    mark("Stratis", 0x204, b"!Stra0tis\x86\xff\x02^\x41rh"),
    mark("Stratis", 0x1204, b"!Stra0tis\x86\xff\x02^\x41rh"),
    mark("VDO", 0, b"dmvdo001"),
    mark("LVM1", 0, b"HM\x01\0"),
    mark("md RAID", 0x1000, MD),
    mark("md RAID", 0, MD),
    behind("md RAID", From::Md10, 0, MD),
    behind("md RAID", From::Md090, 0, MD),
    behind("md RAID", From::Md090, 0, MD_BIG_ENDIAN),
    behind("DRBD", From::End, 4096 - 0x3c, &[0x83, 0x74, 0x02, 0x6b]),
    behind("DRBD", From::End, 4096 - 0x3c, &[0x83, 0x74, 0x02, 0x6d]),
    behind("Intel RAID", From::End, 1024, b"Intel Raid ISM Cfg Sig. "),
    behind("DDF RAID", From::End, 512, &[0xde, 0x11, 0xde, 0x11]),
    behind("DDF RAID", From::End, 512, &[0x11, 0xde, 0x11, 0xde]),
    mark("a partition table (GPT)", 512, b"EFI PART"),
    mark("a partition table (GPT)", 4096, b"EFI PART"),
    behind("a partition table (GPT)", From::End, 512, b"EFI PART"),
    behind("a partition table (GPT)", From::End, 4096, b"EFI PART"),
    mark("a partition table (Apple)", 0, b"ER"),
    mark("a partition table (BSD)", 0x200, &[0x57, 0x45, 0x56, 0x82]),
    mark("a partition table (Sun)", 508, &[0xda, 0xbe]),
    mark("a partition table or boot sector", 510, &[0x55, 0xaa]),
];

/// ZFS: four labels of 256 KiB, two at either end, whose second half is uberblocks.
const ZFS_LABEL: u64 = 256 << 10;
const ZFS_UBERBLOCK: u64 = 1 << 10;
const ZFS: [[u8; 8]; 2] = [
    [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c],
];

/// What is on a disk of `size` bytes, or `None` when it is blank. `read` gives as many bytes from an
/// offset on; no read goes beyond the disk.
///
/// # Errors
/// What `read` says: a disk that cannot be read is not blank.
pub fn find(
    size: u64,
    read: impl Fn(u64, usize) -> io::Result<Vec<u8>>,
) -> io::Result<Option<&'static str>> {
    for mark in MARKS {
        let Some(at) = mark.place(size) else {
            continue;
        };
        let fits = at
            .checked_add(mark.bytes.len() as u64)
            .is_some_and(|end| end <= size);
        if fits && read(at, mark.bytes.len())? == mark.bytes {
            return Ok(Some(mark.name));
        }
    }
    let label = |at: u64| -> io::Result<bool> {
        let half = usize::try_from(ZFS_LABEL / 2).unwrap_or_default();
        let uberblocks = read(at + ZFS_LABEL / 2, half)?;
        let step = usize::try_from(ZFS_UBERBLOCK).unwrap_or(1);
        Ok(uberblocks
            .chunks(step)
            .any(|block| ZFS.iter().any(|magic| block.starts_with(magic))))
    };
    let whole = size / ZFS_LABEL * ZFS_LABEL;
    if whole >= 4 * ZFS_LABEL {
        for at in [0, ZFS_LABEL, whole - 2 * ZFS_LABEL, whole - ZFS_LABEL] {
            if label(at)? {
                return Ok(Some("ZFS"));
            }
        }
    }
    Ok(None)
}

impl Mark {
    fn place(&self, size: u64) -> Option<u64> {
        match self.from {
            From::Start => Some(self.offset),
            From::End => size.checked_sub(self.offset),
            From::Md090 => (size >> 16).checked_sub(1).map(|at| at << 16),
            From::Md10 => size.checked_sub(8 << 10).map(|at| at >> 12 << 12),
        }
    }
}

#[cfg(test)]
#[path = "tests/signature.rs"]
mod tests;
