//! The disk that a power cut leaves behind, made from the disk as it was and the log.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use nix::fcntl::{FallocateFlags, fallocate};

use super::cut::{Cut, Fate, SECTOR};
use super::write_log::{Change, Entry};
use crate::tool::run;

/// Copies a disk; what was never written takes no room in the copy either, and where the file system
/// can, the rest takes none until it changes.
///
/// # Errors
/// When `cp` fails.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut cp = Command::new("cp");
    run(cp
        .args(["--reflink=auto", "--sparse=auto"])
        .arg(from)
        .arg(to))?
    .success()
    .with_context(|| format!("copy {}", from.display()))?;
    Ok(())
}

/// Makes `disk`: `base` with what the cut leaves of the log's entries.
///
/// # Errors
/// When the files cannot be read and written.
pub fn make(base: &Path, log: &Path, entries: &[Entry], cut: &Cut, disk: &Path) -> Result<()> {
    copy(base, disk)?;
    let log = File::open(log).context("open the log")?;
    let target = OpenOptions::new().read(true).write(true).open(disk);
    let target = target.with_context(|| format!("open {}", disk.display()))?;
    for (number, entry) in entries.iter().enumerate() {
        let fate = if number < cut.flush {
            Some(&Fate::Whole)
        } else {
            cut.later.get(&number)
        };
        let put = match fate {
            None => Ok(()),
            Some(Fate::Whole) => put(&log, entry, &entry.place, &target),
            Some(Fate::Torn(sectors)) => torn(entry, sectors)
                .iter()
                .try_for_each(|place| put(&log, entry, place, &target)),
        };
        put.with_context(|| format!("write what entry {number} wrote"))?;
    }
    Ok(())
}

/// The places of a torn entry that are there.
fn torn(entry: &Entry, sectors: &[bool]) -> Vec<Range<u64>> {
    let start = |number: u64| entry.place.start + number * SECTOR;
    let there = (0..).zip(sectors).filter(|(_, there)| **there);
    there
        .map(|(number, _)| start(number)..start(number + 1))
        .collect()
}

/// Does to a part of the entry's place what the entry does to all of it.
fn put(mut log: &File, entry: &Entry, place: &Range<u64>, mut disk: &File) -> Result<()> {
    let length = place.end - place.start;
    match entry.change {
        Change::None => {}
        Change::Written(data) => {
            log.seek(SeekFrom::Start(data + (place.start - entry.place.start)))?;
            disk.seek(SeekFrom::Start(place.start))?;
            std::io::copy(&mut log.take(length), &mut disk)?;
        }
        // QEMU's `discard=unmap` does the same, and the machine then reads zeros.
        Change::Discarded => {
            let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let (start, length) = (i64::try_from(place.start)?, i64::try_from(length)?);
            if length > 0 {
                fallocate(disk, hole, start, length)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Four writes of two sectors each, and a discard, with a flush behind the first two.
    fn entries() -> Vec<Entry> {
        let entry = |sectors: Range<u64>, change, flush| Entry {
            place: sectors.start * SECTOR..sectors.end * SECTOR,
            change,
            flush,
            fua: false,
            end: 0,
        };
        vec![
            entry(0..2, Change::Written(0), false),
            entry(2..4, Change::Discarded, false),
            entry(0..0, Change::None, true),
            entry(4..6, Change::Written(1024), false),
            entry(6..8, Change::Written(2048), false),
            entry(0..2, Change::Written(2048), false),
        ]
    }

    #[test]
    fn all_before_the_flush_is_there_and_of_the_rest_what_came_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        std::fs::write(path("base"), [b'.'; 4096]).unwrap();
        let log: Vec<u8> = (0..6).flat_map(|n| vec![b'a' + n; 512]).collect();
        std::fs::write(path("log"), log).unwrap();
        let cut = Cut {
            flush: 2,
            position: 0,
            later: BTreeMap::from([(3, Fate::Torn(vec![false, true])), (4, Fate::Whole)]),
        };
        make(&path("base"), &path("log"), &entries(), &cut, &path("disk")).unwrap();
        let disk = std::fs::read(path("disk")).unwrap();
        let sectors: Vec<u8> = disk.chunks(512).map(|sector| sector[0]).collect();
        assert_eq!(sectors, *b"ab\0\0.def");
        assert!(disk.chunks(512).all(|s| s.iter().all(|byte| *byte == s[0])));
    }
}
