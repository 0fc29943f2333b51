//! One copy of the table: its header and its entries.

use crc::{CRC_32_ISO_HDLC, Crc};

/// Bytes of a sector. Disks with 4 KiB sectors are not what an image is made for.
pub const SECTOR: u64 = 512;
pub(super) const SECTOR_BYTES: usize = 512;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const SIGNATURE: [u8; 8] = *b"EFI PART";
const REVISION: [u8; 4] = [0, 0, 1, 0];
const HEADER: usize = 92;
const HEADER_SIZE: u32 = 92;
const ENTRY: usize = 128;
const ENTRY_SIZE: u32 = 128;
/// As many entries as every tool makes, and their sectors.
const ENTRIES: u32 = 128;
const ENTRY_SECTORS: u64 = 32;
const ENTRY_BYTES: usize = 128 * ENTRY;
/// The sectors of the first copy: header, entries.
const PRIMARY: u64 = 1;
const FIRST_ENTRIES_AT: u64 = 2;
/// Linux file system data, in the table's byte order.
const TYPE_LINUX: [u8; 16] = [
    0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
];
/// What the state partition is called.
pub(super) const STATE: &str = "orlop-state";
const NAME: std::ops::Range<usize> = 56..ENTRY;

/// What the table says, whichever copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    disk_guid: [u8; 16],
    pub(super) first_usable: u64,
    pub(super) last_usable: u64,
    pub(super) entries: Vec<Entry>,
}

/// A partition's entry, or an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry([u8; ENTRY]);

impl Entry {
    /// The state partition: an ext4's.
    pub(super) fn linux(guid: [u8; 16], name: &str, first: u64, last: u64) -> Self {
        let mut bytes = [0; ENTRY];
        put(&mut bytes, 0, &TYPE_LINUX);
        put(&mut bytes, 16, &guid);
        put(&mut bytes, 32, &first.to_le_bytes());
        put(&mut bytes, 40, &last.to_le_bytes());
        for (at, unit) in name.encode_utf16().enumerate() {
            put(&mut bytes, NAME.start + at * 2, &unit.to_le_bytes());
        }
        Self(bytes)
    }

    pub(super) fn is_used(&self) -> bool {
        self.0.iter().take(16).any(|&byte| byte != 0)
    }

    pub(super) fn first(&self) -> u64 {
        u64_at(&self.0, 32)
    }

    pub(super) fn last(&self) -> u64 {
        u64_at(&self.0, 40)
    }

    pub(super) fn set_last(&mut self, last: u64) {
        put(&mut self.0, 40, &last.to_le_bytes());
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        let units = self.0.get(NAME).unwrap_or_default().as_chunks::<2>().0;
        let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
        self.is_used() && units.take_while(|&unit| unit != 0).eq(name.encode_utf16())
    }
}

/// Both copies of a disk's table, as the kernel looks for them with `gpt` on its command line: the
/// first in sector 1, the other in the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// How many sectors the disk has.
    pub sectors: u64,
    /// The first copy, and in which sector it says that the other one is.
    pub primary: Option<(Table, u64)>,
    /// The one at the disk's end.
    pub backup: Option<Table>,
}

impl Copies {
    /// Reads both; `read` gives as many bytes from a sector on.
    ///
    /// # Errors
    /// What `read` says.
    pub fn read<E>(
        sectors: u64,
        read: impl Fn(u64, usize) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let last = sectors.saturating_sub(1);
        let copy = |sector: u64| -> Result<Option<(Table, u64, u64)>, E> {
            let header = read(sector, SECTOR_BYTES)?;
            let Some(entries_at) = entries_of(&header, sectors) else {
                return Ok(None);
            };
            let entries = read(entries_at, ENTRY_BYTES)?;
            let table = Table::parse(&header, &entries, sector, last);
            Ok(table.map(|(table, other)| (table, other, entries_at)))
        };
        let mut backup = copy(last)?.map(|(table, _, _)| table);
        let primary = match copy(PRIMARY)? {
            Some((table, other, FIRST_ENTRIES_AT)) => Some((table, other)),
            // Valid, and of a shape that is not written here: better left alone.
            Some(_) => {
                backup = None;
                None
            }
            None => None,
        };
        Ok(Self {
            sectors,
            primary,
            backup,
        })
    }

    /// The copy that the kernel goes by.
    #[must_use]
    pub fn believed(&self) -> Option<&Table> {
        self.primary
            .as_ref()
            .map(|(table, _)| table)
            .or(self.backup.as_ref())
    }
}

/// Where a header's entries are, if it is one at all, and they are on the disk.
fn entries_of(header: &[u8], sectors: u64) -> Option<u64> {
    let at = u64_at(header, 72);
    let there = at.checked_add(ENTRY_SECTORS)? <= sectors;
    (header.starts_with(&SIGNATURE) && there).then_some(at)
}

impl Table {
    /// The checks of the kernel's is_gpt_valid, and that it is of a shape that is written here.
    fn parse(header: &[u8], entries: &[u8], sector: u64, last: u64) -> Option<(Self, u64)> {
        let size = usize::try_from(u32_at(header, 12)).ok()?;
        let mut summed = header.get(..size)?.to_vec();
        put(&mut summed, 16, &[0; 4]);
        let table = Self {
            disk_guid: header.get(56..72)?.try_into().ok()?,
            first_usable: u64_at(header, 40),
            last_usable: u64_at(header, 48),
            entries: entries
                .as_chunks::<ENTRY>()
                .0
                .iter()
                .copied()
                .map(Entry)
                .collect(),
        };
        let valid = size >= HEADER
            && CRC.checksum(&summed) == u32_at(header, 16)
            && u64_at(header, 24) == sector
            && table.first_usable <= table.last_usable
            && table.last_usable <= last
            && u32_at(header, 80) == ENTRIES
            && u32_at(header, 84) == ENTRY_SIZE
            && CRC.checksum(entries) == u32_at(header, 88);
        valid.then(|| (table, u64_at(header, 32)))
    }

    /// Without partitions.
    #[cfg(test)]
    pub(super) fn empty(disk_guid: [u8; 16], sectors: u64) -> Self {
        Self {
            disk_guid,
            first_usable: 34,
            last_usable: Self::last_usable_of(sectors),
            entries: vec![Entry([0; ENTRY]); 128],
        }
    }

    /// The number of the state partition, from 1.
    #[must_use]
    pub fn state(&self) -> Option<u32> {
        let at = self
            .entries
            .iter()
            .position(|entry| entry.is_called(STATE))?;
        u32::try_from(at + 1).ok()
    }

    /// The bytes of the copy in sector 1 of a disk with so many sectors: header, entries.
    pub(super) fn primary(&self, sectors: u64) -> Bytes {
        self.bytes(PRIMARY, sectors - 1, FIRST_ENTRIES_AT)
    }

    /// Those of the copy at its end.
    pub(super) fn backup(&self, sectors: u64) -> Bytes {
        self.bytes(sectors - 1, PRIMARY, sectors - 1 - ENTRY_SECTORS)
    }

    fn bytes(&self, sector: u64, other: u64, entries_at: u64) -> Bytes {
        let entries: Vec<u8> = self.entries.iter().flat_map(|entry| entry.0).collect();
        let mut header = vec![0; SECTOR_BYTES];
        put(&mut header, 0, &SIGNATURE);
        put(&mut header, 8, &REVISION);
        put(&mut header, 12, &HEADER_SIZE.to_le_bytes());
        put(&mut header, 24, &sector.to_le_bytes());
        put(&mut header, 32, &other.to_le_bytes());
        put(&mut header, 40, &self.first_usable.to_le_bytes());
        put(&mut header, 48, &self.last_usable.to_le_bytes());
        put(&mut header, 56, &self.disk_guid);
        put(&mut header, 72, &entries_at.to_le_bytes());
        put(&mut header, 80, &ENTRIES.to_le_bytes());
        put(&mut header, 84, &ENTRY_SIZE.to_le_bytes());
        put(&mut header, 88, &CRC.checksum(&entries).to_le_bytes());
        let sum = CRC.checksum(header.get(..HEADER).unwrap_or_default());
        put(&mut header, 16, &sum.to_le_bytes());
        Bytes {
            header_at: sector,
            header,
            entries_at,
            entries,
        }
    }

    /// The last sector that partitions may use on a disk with so many.
    pub(super) fn last_usable_of(sectors: u64) -> u64 {
        sectors.saturating_sub(ENTRY_SECTORS + 2)
    }
}

/// A copy as it is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) header_at: u64,
    pub(super) header: Vec<u8>,
    pub(super) entries_at: u64,
    pub(super) entries: Vec<u8>,
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk);
    found.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk);
    found.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
