//! Reading what QEMU's `blklogwrites` has written down: the log of the kernel's dm-log-writes
//! (Documentation/admin-guide/device-mapper/log-writes.rst).
//!
//! ```text
//! sector 0   magic u64, version u64, entries u64, sector size u32; little-endian
//! entry      sector u64, sectors u64, flags u64, length of a mark u64; filled up to a sector
//!            then the data, unless it is a discard or a mark
//! ```
//! The count of entries is written with every flush: what the log holds beyond it is not whole yet.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use anyhow::{Context as _, Result, bail, ensure};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
const FLUSH: u64 = 1 << 0;
const FUA: u64 = 1 << 1;
const DISCARD: u64 = 1 << 2;
const MARK: u64 = 1 << 3;
/// More than a test's machine writes in a day.
const MOST_ENTRIES: u64 = 1 << 24;

/// What a machine asked of its disk, in the order in which the disk had done it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where on the disk, in bytes; empty for a bare flush or a mark.
    pub place: Range<u64>,
    /// What became of the place.
    pub change: Change,
    /// All that was done before is on the disk now.
    pub flush: bool,
    /// This is on the disk now (force unit access).
    pub fua: bool,
    /// Where in the log, in bytes, this entry ends: see [`super::Recording::position`].
    pub end: u64,
}

/// What an entry does to its place on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing: a bare flush, or a mark.
    None,
    /// The bytes of the log from here on are written there.
    Written(u64),
    /// The machine does not want it any more.
    Discarded,
}

/// Reads all entries of the log of a disk of `disk` bytes.
///
/// # Errors
/// When it is no such log, when it ends within an entry that it counts, and when an entry leads
/// beyond the disk's end: a sentence with the entry's number.
pub fn read(log: &mut (impl Read + Seek), disk: u64) -> Result<Vec<Entry>> {
    let length = log
        .seek(SeekFrom::End(0))
        .context("look for the log's end")?;
    let [magic, version, count, sector] = words(log, 0).context("read the log's first sector")?;
    ensure!(
        magic == MAGIC,
        "no log of writes: it begins with {magic:#x}"
    );
    ensure!(version == VERSION, "a log of version {version}");
    ensure!(count <= MOST_ENTRIES, "a log of {count} entries");
    // A number of 32 bits; behind it is padding.
    let sector = sector & u64::from(u32::MAX);
    let likely = sector.is_power_of_two() && (512..=65536).contains(&sector);
    ensure!(likely, "a log in sectors of {sector} bytes");
    let mut at = sector;
    let mut entries = Vec::new();
    for number in 0..count {
        let entry = entry(log, at, sector, length).and_then(|entry| {
            ensure!(entry.place.end <= disk, "it writes beyond the disk's end");
            Ok(entry)
        });
        let entry = entry.with_context(|| format!("entry {number} of the log, at byte {at}"))?;
        at = entry.end;
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(log: &mut (impl Read + Seek), at: u64, sector: u64, length: u64) -> Result<Entry> {
    let [first, sectors, flags, _mark] = words(log, at)?;
    let unknown = flags & !(FLUSH | FUA | DISCARD | MARK);
    ensure!(unknown == 0, "flags {flags:#x}");
    let bytes = |sectors: u64| sectors.checked_mul(sector).context("too many sectors");
    let start = bytes(first)?;
    let size = bytes(sectors)?;
    let place = start..start.checked_add(size).context("too many sectors")?;
    let behind = at.checked_add(sector).context("too long")?;
    let (change, end) = if flags & MARK != 0 {
        // Its text fills the sector.
        (Change::None, behind)
    } else if flags & DISCARD != 0 {
        (Change::Discarded, behind)
    } else if size == 0 {
        (Change::None, behind)
    } else {
        let end = behind.checked_add(size).context("too long")?;
        (Change::Written(behind), end)
    };
    let flush = flags & FLUSH != 0;
    if change == Change::None && !flush && flags & MARK == 0 {
        bail!("it writes nothing");
    }
    ensure!(end <= length, "the log ends within it");
    let place = if change == Change::None { 0..0 } else { place };
    Ok(Entry {
        place,
        change,
        flush,
        fua: flags & FUA != 0,
        end,
    })
}

/// Four numbers at a place of the log.
fn words(log: &mut (impl Read + Seek), at: u64) -> Result<[u64; 4]> {
    let mut words = [0; 4];
    log.seek(SeekFrom::Start(at)).context("go there")?;
    for word in &mut words {
        let mut bytes = [0; 8];
        log.read_exact(&mut bytes).context("read it")?;
        *word = u64::from_le_bytes(bytes);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const DISK: u64 = 1 << 20;

    /// A log of entries: sector, sectors, flags, bytes of data that follow.
    fn log(entries: &[(u64, u64, u64, usize)]) -> Vec<u8> {
        let count = u64::try_from(entries.len()).unwrap();
        let mut log = sector(&[MAGIC, VERSION, count, 512]);
        for &(first, sectors, flags, data) in entries {
            log.extend(sector(&[first, sectors, flags, 0]));
            log.resize(log.len() + data, 0xda);
        }
        log
    }

    fn sector(words: &[u64]) -> Vec<u8> {
        let mut sector: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        sector.resize(512, 0);
        sector
    }

    fn said(log: &[u8]) -> String {
        format!("{:#}", read(&mut Cursor::new(log), DISK).unwrap_err())
    }

    #[test]
    fn writes_discards_and_flushes_are_told_apart() {
        let log = log(&[
            (2, 2, 0, 1024),
            (0, 0, FLUSH, 0),
            (8, 16, DISCARD, 0),
            (1, 1, FUA, 512),
            (0, 0, MARK, 0),
            (3, 1, FLUSH, 512),
        ]);
        let entries = read(&mut Cursor::new(&log), DISK).unwrap();
        let entry = |place, change, flush, fua, end| Entry {
            place,
            change,
            flush,
            fua,
            end,
        };
        let expected = [
            entry(1024..2048, Change::Written(1024), false, false, 2048),
            entry(0..0, Change::None, true, false, 2560),
            entry(4096..12288, Change::Discarded, false, false, 3072),
            entry(512..1024, Change::Written(3584), false, true, 4096),
            entry(0..0, Change::None, false, false, 4608),
            entry(1536..2048, Change::Written(5120), true, false, 5632),
        ];
        assert_eq!(entries, expected);
    }

    #[test]
    fn what_is_behind_the_counted_entries_is_not_read() {
        let mut log = log(&[(0, 1, 0, 512)]);
        log.extend([0xff; 700]);
        assert_eq!(read(&mut Cursor::new(&log), DISK).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_log_is_named() {
        assert_eq!(
            said(&[]),
            "read the log's first sector: read it: failed to fill whole buffer"
        );
        assert_eq!(said(&[0; 512]), "no log of writes: it begins with 0x0");
        let head = |version, count, size| sector(&[MAGIC, version, count, size]);
        assert_eq!(said(&head(2, 0, 512)), "a log of version 2");
        assert_eq!(
            said(&head(1, u64::MAX, 512)),
            format!("a log of {} entries", u64::MAX)
        );
        for size in [0, 1, 511, 513, 1 << 31] {
            assert_eq!(
                said(&head(1, 0, size)),
                format!("a log in sectors of {size} bytes")
            );
        }
    }

    #[test]
    fn an_entry_that_cannot_be_is_named_by_its_number() {
        let good = (0, 1, 0, 512);
        let at = "entry 1 of the log, at byte 1536";
        let cases = [
            ((0, 2, 0, 512), "the log ends within it"),
            ((0, u64::MAX, 0, 0), "too many sectors"),
            ((u64::MAX / 512, 1, 0, 512), "too many sectors"),
            ((0, u64::MAX / 512, 0, 0), "too long"),
            ((0, 0, 0, 0), "it writes nothing"),
            ((0, 1, 16, 512), "flags 0x10"),
            ((DISK / 512, 1, 0, 512), "it writes beyond the disk's end"),
            (
                (DISK / 512, 1, DISCARD, 0),
                "it writes beyond the disk's end",
            ),
        ];
        for (entry, sentence) in cases {
            assert_eq!(said(&log(&[good, entry])), format!("{at}: {sentence}"));
        }
    }

    #[test]
    fn a_log_that_was_cut_short_anywhere_is_refused() {
        let whole = log(&[(0, 1, 0, 512), (4, 2, 0, 1024), (0, 0, FLUSH, 0)]);
        for length in 0..whole.len() {
            let short = whole.get(..length).unwrap();
            assert!(read(&mut Cursor::new(short), DISK).is_err(), "{length}");
        }
        assert_eq!(read(&mut Cursor::new(&whole), DISK).unwrap().len(), 3);
    }

    #[test]
    fn a_log_of_any_bytes_is_read_or_refused() {
        let mut dice = crate::Dice::new(crate::seed());
        for _ in 0..2000 {
            let mut bytes = log(&[(0, 1, 0, 512), (4, 2, FLUSH, 1024), (9, 3, DISCARD, 0)]);
            for _ in 0..=dice.below(4) {
                let heads = [0, 512, 1536, 3072];
                let head = heads.get(dice.below(heads.len())).unwrap();
                let byte = bytes.get_mut(head + dice.below(32)).unwrap();
                *byte = u8::try_from(dice.below(256)).unwrap();
            }
            let Ok(entries) = read(&mut Cursor::new(&bytes), DISK) else {
                continue;
            };
            for entry in entries {
                assert!(entry.place.start <= entry.place.end && entry.place.end <= DISK);
                assert!(entry.end <= u64::try_from(bytes.len()).unwrap());
            }
        }
    }
}
