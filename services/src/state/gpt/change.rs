//! What is written to repair the table, to bring it to the end of a larger disk, and to give the
//! state partition the room behind it. Pure.
//!
//! At every instant one copy is whole where the kernel looks for it. Each [`Write`] is followed by a
//! flush, and within one only one copy changes: while the other is known to be good.

use super::table::{Bytes, Copies, Entry, SECTOR, SECTOR_BYTES, STATE, Table};

/// Partitions start and end at multiples of 1 MiB.
const ALIGNMENT: u64 = (1 << 20) / SECTOR;
/// Entries of the first sector: a change in one of them changes one sector.
const FIRST_ENTRIES: usize = 4;

/// Sectors to be written in any order, and then a flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Each run's first sector, and its bytes.
    pub runs: Vec<(u64, Vec<u8>)>,
}

/// What is to be done, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// In this order.
    pub writes: Vec<Write>,
    /// Whether the first copy was not valid.
    pub repaired: bool,
    /// The state partition: its number, from 1, its first sector, and how many there are.
    pub state: Partition,
}

/// A partition's place, in sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// From 1.
    pub number: u32,
    /// Its first sector.
    pub first: u64,
    /// How many it has.
    pub sectors: u64,
    /// How many it had; 0 when it is new.
    pub before: u64,
}

/// Why nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Neither copy is valid.
    #[error("it has no valid GPT")]
    NoTable,
    /// The table's partitions go further than the disk.
    #[error("its partitions end behind the disk's end")]
    TooShort,
    /// There is no state partition, and no entry for one among the first four.
    #[error("it has no partition {STATE}, and its first four entries are taken")]
    NoEntry,
    /// There is no state partition and no room for it.
    #[error("it has no partition {STATE}, and no free space of {} MiB", .0 / ALIGNMENT)]
    NoRoom(u64),
}

/// Decides. A new state partition has at least `least` sectors, and is called `guid`.
///
/// # Errors
/// When the disk is better left alone.
pub fn plan(copies: &Copies, least: u64, guid: [u8; 16]) -> Result<Change, PlanError> {
    let sectors = copies.sectors;
    let found = copies.believed().ok_or(PlanError::NoTable)?;
    let mut wanted = found.clone();
    wanted.last_usable = Table::last_usable_of(sectors);
    let furthest = used(&wanted.entries).map(Entry::last).max();
    if furthest.is_some_and(|last| last > wanted.last_usable) {
        return Err(PlanError::TooShort);
    }
    let state = match wanted
        .entries
        .iter()
        .position(|entry| entry.is_called(STATE))
    {
        Some(at) => grow(&mut wanted, at),
        None => create(&mut wanted, least, guid)?,
    };
    let mut writes = Vec::new();
    let repaired = copies.primary.is_none();
    if repaired {
        // As the other copy has it: that one must not change before this one is whole.
        writes.push(whole(found.primary(sectors)));
    }
    if copies.backup.as_ref() != Some(&wanted) {
        writes.push(whole(wanted.backup(sectors)));
    }
    let (_, other) = copies
        .primary
        .as_ref()
        .map_or((found, sectors - 1), |(t, at)| (t, *at));
    if *found != wanted || other != sectors - 1 {
        writes.push(difference(&found.primary(sectors), wanted.primary(sectors)));
    }
    Ok(Change {
        writes,
        repaired,
        state,
    })
}

fn used(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.is_used())
}

/// As far as the next partition or the disk's end.
fn grow(table: &mut Table, at: usize) -> Partition {
    let last_usable = table.last_usable;
    let Some(entry) = table.entries.get(at).copied() else {
        return partition(at, 0, 0, 0);
    };
    let behind = used(&table.entries).map(Entry::first);
    let next = behind.filter(|first| *first > entry.first()).min();
    let end = next.unwrap_or(last_usable + 1) / ALIGNMENT * ALIGNMENT;
    let mut grown = entry;
    grown.set_last(entry.last().max(end.saturating_sub(1)));
    if let Some(place) = table.entries.get_mut(at) {
        *place = grown;
    }
    let length = |entry: &Entry| (entry.last() + 1).saturating_sub(entry.first());
    partition(at, entry.first(), length(&grown), length(&entry))
}

/// In the largest free space.
fn create(table: &mut Table, least: u64, guid: [u8; 16]) -> Result<Partition, PlanError> {
    let free = table
        .entries
        .iter()
        .take(FIRST_ENTRIES)
        .position(|entry| !entry.is_used());
    let at = free.ok_or(PlanError::NoEntry)?;
    let starts = used(&table.entries).map(|entry| entry.last() + 1);
    let gaps = starts.chain([table.first_usable]).map(|start| {
        let next = used(&table.entries)
            .map(Entry::first)
            .filter(|first| *first >= start);
        let end = next.min().unwrap_or(table.last_usable + 1) / ALIGNMENT * ALIGNMENT;
        let start = start.next_multiple_of(ALIGNMENT);
        (end.saturating_sub(start), start)
    });
    let (length, first) = gaps.max().unwrap_or_default();
    if length < least {
        return Err(PlanError::NoRoom(least));
    }
    if let Some(place) = table.entries.get_mut(at) {
        *place = Entry::linux(guid, STATE, first, first + length - 1);
    }
    Ok(partition(at, first, length, 0))
}

fn partition(at: usize, first: u64, sectors: u64, before: u64) -> Partition {
    Partition {
        number: u32::try_from(at).unwrap_or_default() + 1,
        first,
        sectors,
        before,
    }
}

pub(super) fn whole(bytes: Bytes) -> Write {
    Write {
        runs: vec![
            (bytes.entries_at, bytes.entries),
            (bytes.header_at, bytes.header),
        ],
    }
}

/// Only the sectors of the new bytes that are not as they were.
fn difference(old: &Bytes, new: Bytes) -> Write {
    let chunks =
        |bytes: &[u8]| -> Vec<Vec<u8>> { bytes.chunks(SECTOR_BYTES).map(<[u8]>::to_vec).collect() };
    let entries = chunks(&old.entries).into_iter().zip(chunks(&new.entries));
    let changed = (new.entries_at..)
        .zip(entries)
        .filter(|(_, (old, new))| old != new);
    let runs = changed.map(|(at, (_, new))| (at, new));
    Write {
        runs: runs.chain([(new.header_at, new.header)]).collect(),
    }
}
