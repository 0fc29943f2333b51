//! The partition table (UEFI specification, chapter 5): protective MBR, primary and backup GPT.
//!
//! Own writer, as every byte is to follow from the content: crates that write GPTs make GUIDs up and
//! want the disk as a file. `sgdisk --verify` and the kernel are the oracles.

use super::guid::Guid;

/// Bytes a sector.
pub const SECTOR: u64 = 512;
/// What partitions are aligned to, and where the first begins.
pub const ALIGNMENT: u64 = 1 << 20;
/// Entries of a table, and bytes each: what everybody writes.
const ENTRIES: usize = 128;
const ENTRY: usize = 128;
/// Sectors of the entries.
const ENTRY_SECTORS: u64 = 32;
/// The MBR's code in front of its disk signature, for a BIOS.
pub const MBR_CODE: usize = 440;

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// PARTNAME: ASCII, at most 36 characters.
    pub name: &'static str,
    /// What it is for.
    pub kind: Guid,
    /// PARTUUID.
    pub id: Guid,
    /// Attribute bits.
    pub attributes: u64,
    /// Its first byte on the disk; a multiple of [`ALIGNMENT`].
    pub start: u64,
    /// Its bytes; a multiple of [`ALIGNMENT`].
    pub len: u64,
}

/// A disk's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The disk's GUID.
    pub id: Guid,
    /// The disk's bytes.
    pub disk: u64,
    /// In the order of their numbers, which is that of their places.
    pub partitions: Vec<Partition>,
}

/// The table as bytes: what stands at the disk's begin, and what at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableBytes {
    /// From byte 0: protective MBR, header, entries.
    pub begin: Vec<u8>,
    /// The disk's last bytes: entries, header.
    pub end: Vec<u8>,
}

impl Table {
    /// As bytes, with `code` as the MBR's.
    #[must_use]
    pub fn to_bytes(&self, code: &[u8; MBR_CODE]) -> TableBytes {
        let last = self.disk / SECTOR - 1;
        let entries = self.entries();
        let mut begin = self.protective_mbr(code);
        begin.extend(self.header(1, last, 2, &entries));
        begin.extend(&entries);
        let mut end = entries.clone();
        end.extend(self.header(last, 1, last - ENTRY_SECTORS, &entries));
        TableBytes { begin, end }
    }

    /// One partition of type EEh over the whole disk (section 5.2.3).
    fn protective_mbr(&self, code: &[u8; MBR_CODE]) -> Vec<u8> {
        let sectors = u32::try_from(self.disk / SECTOR - 1).unwrap_or(u32::MAX);
        let mut mbr = code.to_vec();
        mbr.extend([0; 6]); // disk signature, unknown: none
        mbr.extend([0, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff]);
        mbr.extend(1_u32.to_le_bytes());
        mbr.extend(sectors.to_le_bytes());
        mbr.resize(510, 0);
        mbr.extend([0x55, 0xaa]);
        mbr
    }

    fn entries(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENTRIES * ENTRY);
        for (at, partition) in self.partitions.iter().enumerate() {
            bytes.extend(partition.kind.to_bytes());
            bytes.extend(partition.id.to_bytes());
            let first = partition.start / SECTOR;
            bytes.extend(first.to_le_bytes());
            bytes.extend((first + partition.len / SECTOR - 1).to_le_bytes());
            bytes.extend(partition.attributes.to_le_bytes());
            bytes.extend(partition.name.encode_utf16().flat_map(u16::to_le_bytes));
            bytes.resize((at + 1) * ENTRY, 0);
        }
        bytes.resize(ENTRIES * ENTRY, 0);
        bytes
    }

    /// The header at sector `here` (section 5.3.2).
    fn header(&self, here: u64, other: u64, entries_at: u64, entries: &[u8]) -> Vec<u8> {
        let last = self.disk / SECTOR - 1;
        let with_crc = |crc: u32| {
            let mut bytes = b"EFI PART".to_vec();
            bytes.extend(0x0001_0000_u32.to_le_bytes());
            bytes.extend(92_u32.to_le_bytes());
            bytes.extend(crc.to_le_bytes());
            bytes.extend(0_u32.to_le_bytes());
            bytes.extend(here.to_le_bytes());
            bytes.extend(other.to_le_bytes());
            bytes.extend((2 + ENTRY_SECTORS).to_le_bytes());
            bytes.extend((last - ENTRY_SECTORS - 1).to_le_bytes());
            bytes.extend(self.id.to_bytes());
            bytes.extend(entries_at.to_le_bytes());
            bytes.extend(128_u32.to_le_bytes());
            bytes.extend(128_u32.to_le_bytes());
            bytes.extend(crc32(entries).to_le_bytes());
            bytes
        };
        let mut bytes = with_crc(crc32(&with_crc(0)));
        bytes.resize(512, 0);
        bytes
    }
}

/// CRC-32 as Ethernet has it.
fn crc32(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn sgdisk_finds_nothing_to_say() {
        let disk = 24 << 20;
        let table = Table {
            id: Guid::derived("disk", &[1; 32]),
            disk,
            partitions: vec![
                Partition {
                    name: "esp",
                    kind: Guid::of_text_order(0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B),
                    id: Guid::derived("esp", &[1; 32]),
                    attributes: 1 << 2,
                    start: ALIGNMENT,
                    len: 8 << 20,
                },
                Partition {
                    name: "orlop-state",
                    kind: Guid::of_text_order(0x0FC63DAF_8483_4772_8E79_3D69D8477DE4),
                    id: Guid::derived("state", &[1; 32]),
                    attributes: 0,
                    start: 9 << 20,
                    len: 14 << 20,
                },
            ],
        };
        let bytes = table.to_bytes(&[0x90; MBR_CODE]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let file = File::create(&path).unwrap();
        file.set_len(disk).unwrap();
        file.write_all_at(&bytes.begin, 0).unwrap();
        file.write_all_at(&bytes.end, disk - bytes.end.len() as u64)
            .unwrap();
        let sgdisk = |arguments: &[&str]| {
            let mut command = Command::new("sgdisk");
            let output = command.args(arguments).arg(&path).output();
            let output = output.expect("run sgdisk, of Debian's package gdisk");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let said = sgdisk(&["--verify"]);
        assert!(said.contains("No problems found"), "{said}");
        let said = sgdisk(&["--info=2"]);
        assert!(said.contains("Partition name: 'orlop-state'"), "{said}");
        assert!(said.contains("First sector: 18432 "), "{said}");
        let said = sgdisk(&["--attributes=1:show"]);
        assert!(said.contains("1:2:1 (legacy BIOS bootable)"), "{said}");
        // A torn primary table is repaired from the backup.
        file.write_all_at(&[0; 512], 512).unwrap();
        let said = sgdisk(&["--print"]);
        assert!(said.contains("orlop-state"), "{said}");
    }
}
