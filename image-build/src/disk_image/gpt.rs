//! The partition table of a disk image: read and checked, and rewritten for a larger disk.
//!
//! UEFI specification 2.10, 5.3: sector 1 holds the header, its entries follow; a second copy lies
//! at the disk's end, entries before header.

use crc::{CRC_32_ISO_HDLC, Crc};
use thiserror::Error;

/// Bytes of a sector; disks with larger ones are refused before.
pub(crate) const SECTOR: u64 = 512;
/// What of a disk's begin [`Table::parse`] wants: partitions start at 1 MiB.
pub(crate) const TABLE_BYTES: usize = 1 << 20;
/// The type of an EFI system partition, C12A7328-F81F-11D2-BA4B-00A0C93EC93B, as it is on disk.
const ESP: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];
const HEADER_BYTES: usize = 92;
/// Entries are kept in whole 32 sectors, as every tool writes them.
const ENTRIES_BYTES: u64 = 32 * SECTOR;
/// What of a disk's end [`Table::parse_tail`] wants: the other copy.
pub(crate) const TAIL_BYTES: usize = 33 * 512;

/// Why a table is none.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum GptError {
    #[error("there is no GPT in its second sector")]
    Missing,
    #[error("the GPT's header is damaged (checksum {found:08x} instead of {stored:08x})")]
    Header { found: u32, stored: u32 },
    #[error("the GPT's entries are damaged (checksum {found:08x} instead of {stored:08x})")]
    Entries { found: u32, stored: u32 },
    #[error("a disk of {sectors} sectors is too small for its partitions")]
    TooSmall { sectors: u64 },
}

/// A table whose checksums are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    header: Vec<u8>,
    entries: Vec<u8>,
    entry_bytes: usize,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Type GUID as on disk.
    kind: [u8; 16],
    /// First sector.
    pub(crate) first: u64,
    /// Last sector, which is part of it.
    pub(crate) last: u64,
}

/// Both copies of a table, for the places where they belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Header and entries from sector 1 on.
    pub(crate) primary: Vec<u8>,
    /// Entries and header, which end with the disk's last sector.
    pub(crate) backup: Vec<u8>,
}

impl Table {
    /// Reads the table of a disk that begins with `disk`, at least [`TABLE_BYTES`] long.
    pub(crate) fn parse(disk: &[u8]) -> Result<Self, GptError> {
        Self::copy(disk, 512, 0)
    }

    /// Reads the copy at the end of a disk of `length` bytes that ends with `tail`, [`TAIL_BYTES`] long.
    pub(crate) fn parse_tail(tail: &[u8], length: u64) -> Result<Self, GptError> {
        let begin = length.saturating_sub(tail.len() as u64);
        Self::copy(tail, tail.len().saturating_sub(512), begin)
    }

    /// The copy whose header is at `header` of `disk`, which begins at byte `begin` of the whole.
    fn copy(disk: &[u8], header: usize, begin: u64) -> Result<Self, GptError> {
        let sector = disk.get(header..).ok_or(GptError::Missing)?;
        let header = sector.get(..HEADER_BYTES).ok_or(GptError::Missing)?;
        if !header.starts_with(b"EFI PART") || u32_at(header, 12) != Some(92) {
            return Err(GptError::Missing);
        }
        let stored = u32_at(header, 16).ok_or(GptError::Missing)?;
        let found = header_crc(header);
        if found != stored {
            return Err(GptError::Header { found, stored });
        }
        let number = |at| u32_at(header, at).and_then(|n| usize::try_from(n).ok());
        let entries = || {
            let (count, entry_bytes) = (number(80)?, number(84)?);
            let start = u64_at(header, 72)?.checked_mul(SECTOR)?;
            let start = usize::try_from(start.checked_sub(begin)?).ok()?;
            let bytes = count.checked_mul(entry_bytes)?;
            let entries = disk.get(start..start.checked_add(bytes)?)?;
            (entry_bytes >= 128).then(|| (entries.to_vec(), entry_bytes))
        };
        let (entries, entry_bytes) = entries().ok_or(GptError::Missing)?;
        let stored = u32_at(header, 88).ok_or(GptError::Missing)?;
        let found = crc32(&entries);
        if found != stored {
            return Err(GptError::Entries { found, stored });
        }
        Ok(Self {
            header: header.to_vec(),
            entries,
            entry_bytes,
        })
    }

    /// Sectors of the disk that the table was written for: the backup's header is its last one.
    pub(crate) fn sectors(&self) -> u64 {
        let headers = [24, 32].map(|at| u64_at(&self.header, at).unwrap_or(0));
        headers.into_iter().fold(0, u64::max).saturating_add(1)
    }

    /// The partitions, in the order of their numbers.
    pub(crate) fn partitions(&self) -> Vec<Partition> {
        let entries = self.entries.chunks_exact(self.entry_bytes);
        entries.filter_map(partition).collect()
    }

    /// The partitions' sizes in bytes.
    pub(crate) fn sizes(&self) -> Vec<u64> {
        let all = self.partitions().into_iter();
        let sectors = all.map(|one| (one.last + 1).saturating_sub(one.first));
        sectors.map(|count| count.saturating_mul(SECTOR)).collect()
    }

    /// The EFI system partition.
    pub(crate) fn esp(&self) -> Option<Partition> {
        let mut all = self.partitions().into_iter();
        all.find(|partition| partition.kind == ESP && partition.first <= partition.last)
    }

    /// The same table on a disk of `sectors`: its backup at the end, its free space up to there.
    pub(crate) fn placed(&self, sectors: u64) -> Result<Placed, GptError> {
        let too_small = || GptError::TooSmall { sectors };
        let entries_sectors = ENTRIES_BYTES / SECTOR;
        let last = sectors.checked_sub(1).ok_or_else(too_small)?;
        let backup_entries = last.checked_sub(entries_sectors).ok_or_else(too_small)?;
        let usable = backup_entries.checked_sub(1).ok_or_else(too_small)?;
        let fits = self.partitions().iter().all(|one| one.last <= usable);
        let room = usize::try_from(ENTRIES_BYTES).map_err(|_| too_small())?;
        if !fits || self.entries.len() > room {
            return Err(too_small());
        }
        let mut entries = self.entries.clone();
        entries.resize(room, 0);
        let header = |own: u64, other: u64, at: u64| {
            let mut header = self.header.clone();
            for (place, value) in [(24, own), (32, other), (48, usable), (72, at)] {
                put(&mut header, place, &value.to_le_bytes());
            }
            let crc = header_crc(&header);
            put(&mut header, 16, &crc.to_le_bytes());
            header.resize(512, 0);
            header
        };
        let primary = [header(1, last, 2), entries.clone()].concat();
        let backup = [entries, header(last, 1, backup_entries)].concat();
        Ok(Placed { primary, backup })
    }
}

fn partition(entry: &[u8]) -> Option<Partition> {
    let kind: [u8; 16] = entry.get(..16)?.try_into().ok()?;
    let partition = Partition {
        kind,
        first: u64_at(entry, 32)?,
        last: u64_at(entry, 40)?,
    };
    (kind != [0; 16]).then_some(partition)
}

/// With the field of the checksum itself taken as zero.
fn header_crc(header: &[u8]) -> u32 {
    let mut header = header.to_vec();
    put(&mut header, 16, &[0; 4]);
    crc32(&header)
}

fn crc32(bytes: &[u8]) -> u32 {
    Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(bytes)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The begin of a disk of `sectors` with an ESP from 1 MiB on that ends at sector `esp_last`.
    pub(crate) fn sample(sectors: u64, esp_last: u64) -> Vec<u8> {
        let mut entries = vec![0; 128 * 128];
        put(&mut entries, 0, &ESP);
        put(&mut entries, 16, &[7; 16]);
        put(&mut entries, 32, &2048_u64.to_le_bytes());
        put(&mut entries, 40, &esp_last.to_le_bytes());
        let mut header = vec![0; HEADER_BYTES];
        put(&mut header, 0, b"EFI PART");
        put(&mut header, 8, &[0, 0, 1, 0, 92, 0, 0, 0]);
        put(&mut header, 24, &1_u64.to_le_bytes());
        put(&mut header, 32, &(sectors - 1).to_le_bytes());
        put(&mut header, 40, &34_u64.to_le_bytes());
        put(&mut header, 48, &(sectors - 34).to_le_bytes());
        put(&mut header, 72, &2_u64.to_le_bytes());
        put(&mut header, 80, &128_u32.to_le_bytes());
        put(&mut header, 84, &128_u32.to_le_bytes());
        put(&mut header, 88, &crc32(&entries).to_le_bytes());
        let crc = header_crc(&header);
        put(&mut header, 16, &crc.to_le_bytes());
        let mut disk = vec![0; TABLE_BYTES];
        put(&mut disk, 512, &header);
        put(&mut disk, 1024, &entries);
        disk
    }

    #[test]
    fn the_esp_and_the_disks_size_are_found() {
        let table = Table::parse(&sample(100_000, 50_000)).unwrap();
        assert_eq!(table.sectors(), 100_000);
        let esp = table.esp().unwrap();
        assert_eq!((esp.first, esp.last), (2048, 50_000));
        assert_eq!(table.sizes(), [(50_001 - 2048) * SECTOR]);
    }

    #[test]
    fn on_a_larger_disk_both_copies_are_whole_and_name_each_other() {
        let table = Table::parse(&sample(100_000, 50_000)).unwrap();
        let placed = table.placed(1_000_000).unwrap();
        let mut disk = vec![0; TABLE_BYTES];
        put(&mut disk, 512, &placed.primary);
        let primary = Table::parse(&disk).unwrap();
        assert_eq!(primary.sectors(), 1_000_000);
        assert_eq!(primary.partitions(), table.partitions());
        assert_eq!(u64_at(&primary.header, 48), Some(1_000_000 - 34));
        let backup = placed.backup.rchunks(512).next().unwrap();
        assert_eq!(u64_at(backup, 24), Some(999_999));
        assert_eq!(u64_at(backup, 32), Some(1));
        assert_eq!(u64_at(backup, 72), Some(1_000_000 - 33));
        assert_eq!(u32_at(backup, 16), Some(header_crc(&backup[..92])));
        assert_eq!(placed.backup.len(), 33 * 512);
        assert_eq!(placed.backup[..128 * 128], primary.entries[..]);
    }

    #[test]
    fn the_copy_at_the_end_says_the_same() {
        let table = Table::parse(&sample(100_000, 50_000)).unwrap();
        let tail = table.placed(100_000).unwrap().backup;
        let found = Table::parse_tail(&tail, 100_000 * SECTOR).unwrap();
        assert_eq!(found.sectors(), 100_000);
        assert_eq!(found.partitions(), table.partitions());
        for length in [0, 512, 100_001 * SECTOR, u64::MAX] {
            assert!(Table::parse_tail(&tail, length).is_err(), "{length}");
        }
        for short in [0, 92, 512, TAIL_BYTES - 512] {
            let tail = &tail[TAIL_BYTES - short..];
            assert!(
                Table::parse_tail(tail, 100_000 * SECTOR).is_err(),
                "{short}"
            );
        }
    }

    #[test]
    fn on_its_own_size_nothing_changes() {
        let disk = sample(100_000, 50_000);
        let placed = Table::parse(&disk).unwrap().placed(100_000).unwrap();
        assert_eq!(placed.primary, disk[512..512 + 33 * 512]);
    }

    #[test]
    fn a_disk_that_is_too_small_and_damage_are_told() {
        let table = Table::parse(&sample(100_000, 50_000)).unwrap();
        for sectors in [0, 10, 50_000, 50_033] {
            assert_eq!(table.placed(sectors), Err(GptError::TooSmall { sectors }));
        }
        assert!(table.placed(50_034).is_ok());
        let mut header = sample(100_000, 50_000);
        header[512 + 40] ^= 1;
        assert!(matches!(
            Table::parse(&header),
            Err(GptError::Header { .. })
        ));
        let mut entries = sample(100_000, 50_000);
        entries[1024 + 60] ^= 1;
        assert!(matches!(
            Table::parse(&entries),
            Err(GptError::Entries { .. })
        ));
        assert_eq!(Table::parse(&[0; 4096]), Err(GptError::Missing));
        assert_eq!(Table::parse(&[]), Err(GptError::Missing));
    }
}
