//! A disk image onto a disk, in an order that leaves no half a disk bootable, and read back.
//!
//! The first MiB, which holds the partition table, is emptied first and written last, when all the
//! rest is there and was read back: a disk that was pulled out, or that does not keep what is
//! written, has no table and is no disk of anybody's.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use thiserror::Error;

use super::parts::{self, Buffer, CHUNK, Part};
use crate::disk_image::gpt::{Placed, TABLE_BYTES};

/// The disk's begin, before the first partition; and as much at its end, where the backup of the
/// table lies, and where RAID and ZFS keep their signatures.
pub(super) const MARGIN: u64 = TABLE_BYTES as u64;
/// Zeroed at once, so that a signal and the bar get their turn.
const ZEROED_AT_ONCE: usize = 256 << 20;

/// What went wrong once the disk was being written to.
#[derive(Debug, Error)]
pub(super) enum FlashError {
    #[error("read the image")]
    Source(#[source] io::Error),
    #[error("write at byte {at}")]
    Write {
        at: u64,
        #[source]
        source: io::Error,
    },
    #[error("have the disk keep what was written")]
    Sync(#[source] io::Error),
    #[error("read back at byte {at}")]
    ReadBack {
        at: u64,
        #[source]
        source: io::Error,
    },
    #[error(
        "what was written at byte {at} is not what the disk gives back: it is broken, or smaller than it says"
    )]
    Differs { at: u64 },
    #[error("stopped by a signal")]
    Stopped,
}

/// An image on its way to a disk.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// The image, raw.
    pub(super) source: &'a File,
    /// Where in it the backup of its own table begins, which is written elsewhere.
    pub(super) end: u64,
    /// The disk, to be written and read past every cache.
    pub(super) target: &'a File,
    /// The disk's bytes.
    pub(super) room: u64,
    /// The table for a disk of that size.
    pub(super) table: &'a Placed,
    /// Set by a signal.
    pub(super) stop: &'a AtomicBool,
}

/// Told of bytes that are done.
pub(super) type Done<'a> = &'a mut dyn FnMut(u64);

impl Job<'_> {
    /// How many bytes [`Job::write`] and [`Job::verify`] each tell of.
    pub(super) fn bytes(&self) -> u64 {
        self.end.saturating_sub(MARGIN)
    }

    /// Empties the table's place, writes everything behind it and the backup of the table.
    pub(super) fn write(&self, done: Done<'_>) -> Result<(), FlashError> {
        self.zero(0..MARGIN)?;
        self.zero(self.end.max(self.room.saturating_sub(MARGIN))..self.room)?;
        self.sync()?;
        parts::each(self.source, MARGIN..self.end, |part| {
            match part {
                Part::Content { at, buffer, length } => {
                    self.check_stop()?;
                    self.put(*at, buffer.get().get(..*length).unwrap_or_default())?;
                    done(*length as u64);
                }
                Part::Zeroes { at, length } => {
                    for range in pieces(*at, *length, ZEROED_AT_ONCE) {
                        self.check_stop()?;
                        let length = range.end - range.start;
                        self.zero(range)?;
                        done(length);
                    }
                }
            }
            Ok(())
        })?;
        let (at, backup) = self.backup();
        self.put(at, backup.get())?;
        self.sync()
    }

    /// Compares everything that [`Job::write`] wrote with the image.
    pub(super) fn verify(&self, done: Done<'_>) -> Result<(), FlashError> {
        let mut read = Buffer::new(CHUNK);
        parts::each(self.source, MARGIN..self.end, |part| {
            match part {
                Part::Content { at, buffer, length } => {
                    self.check_stop()?;
                    let wanted = buffer.get().get(..*length).unwrap_or_default();
                    self.compare(*at, wanted, &mut read)?;
                    done(*length as u64);
                }
                Part::Zeroes { at, length } => {
                    let zeroes = Buffer::new(CHUNK);
                    for range in pieces(*at, *length, CHUNK) {
                        self.check_stop()?;
                        let length = range.end - range.start;
                        let wanted = usize::try_from(length).ok();
                        let wanted = wanted.and_then(|length| zeroes.get().get(..length));
                        self.compare(range.start, wanted.unwrap_or_default(), &mut read)?;
                        done(length);
                    }
                }
            }
            Ok(())
        })?;
        let (at, backup) = self.backup();
        self.compare(at, backup.get(), &mut read)
    }

    /// Writes the first MiB with the table in it, and reads it back: from now on it is a disk.
    pub(super) fn finish(&self) -> Result<(), FlashError> {
        let mut head = Buffer::new(TABLE_BYTES);
        let begin = self.source.read_exact_at(head.get_mut(), 0);
        begin.map_err(FlashError::Source)?;
        let table = &self.table.primary;
        if let Some(place) = head.get_mut().get_mut(512..512 + table.len()) {
            place.copy_from_slice(table);
        }
        self.put(0, head.get())?;
        self.sync()?;
        self.compare(0, head.get(), &mut Buffer::new(TABLE_BYTES))
    }

    /// The backup of the table, and where it belongs.
    fn backup(&self) -> (u64, Buffer) {
        let backup = &self.table.backup;
        let mut buffer = Buffer::new(backup.len());
        buffer.get_mut().copy_from_slice(backup);
        (self.room - backup.len() as u64, buffer)
    }

    fn check_stop(&self) -> Result<(), FlashError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(FlashError::Stopped),
            false => Ok(()),
        }
    }

    fn put(&self, at: u64, bytes: &[u8]) -> Result<(), FlashError> {
        let written = self.target.write_all_at(bytes, at);
        written.map_err(|source| FlashError::Write { at, source })
    }

    fn sync(&self) -> Result<(), FlashError> {
        self.target.sync_all().map_err(FlashError::Sync)
    }

    /// By the disk itself where it can, else by the kernel (blkdev_fallocate), else from here.
    fn zero(&self, range: Range<u64>) -> Result<(), FlashError> {
        let at = range.start;
        let numbers = || Some((at.try_into().ok()?, (range.end - at).try_into().ok()?));
        let Some((start, length)) = numbers().filter(|(_, length): &(i64, i64)| *length > 0) else {
            return Ok(());
        };
        let keep = FallocateFlags::FALLOC_FL_KEEP_SIZE;
        for how in [
            FallocateFlags::FALLOC_FL_PUNCH_HOLE,
            FallocateFlags::FALLOC_FL_ZERO_RANGE,
        ] {
            match fallocate(self.target, how | keep, start, length) {
                Ok(()) => return Ok(()),
                Err(Errno::EOPNOTSUPP | Errno::EINVAL) => {}
                Err(errno) => {
                    let source = errno.into();
                    return Err(FlashError::Write { at, source });
                }
            }
        }
        let zeroes = Buffer::new(CHUNK);
        for piece in pieces(at, range.end - at, CHUNK) {
            let length = usize::try_from(piece.end - piece.start).unwrap_or(CHUNK);
            self.put(piece.start, zeroes.get().get(..length).unwrap_or_default())?;
        }
        Ok(())
    }

    fn compare(&self, at: u64, wanted: &[u8], read: &mut Buffer) -> Result<(), FlashError> {
        let found = read.get_mut().get_mut(..wanted.len()).unwrap_or_default();
        let done = self.target.read_exact_at(found, at);
        done.map_err(|source| FlashError::ReadBack { at, source })?;
        if found == wanted {
            return Ok(());
        }
        let equal = found.iter().zip(wanted).take_while(|(a, b)| a == b).count();
        Err(FlashError::Differs {
            at: at + equal as u64,
        })
    }
}

/// `length` bytes from `at` on, in ranges of `step` at the most.
fn pieces(at: u64, length: u64, step: usize) -> impl Iterator<Item = Range<u64>> {
    let end = at + length;
    (at..end)
        .step_by(step)
        .map(move |at| at..end.min(at + step as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk_image::gpt::{SECTOR, Table};
    use crate::disk_image::tests::{SECTORS, sample};

    static NEVER: AtomicBool = AtomicBool::new(false);

    /// An image, and a disk of `room` bytes full of somebody else's bytes.
    fn files(room: u64) -> (File, Table, File) {
        let bytes = sample("{}");
        let table = Table::parse(&bytes).unwrap();
        let source = tempfile::tempfile().unwrap();
        source.write_all_at(&bytes, 0).unwrap();
        let target = tempfile::tempfile().unwrap();
        let old = vec![0xa5; usize::try_from(room).unwrap()];
        target.write_all_at(&old, 0).unwrap();
        (source, table, target)
    }

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn flash(room: u64) -> (Vec<u8>, Vec<u8>, u64) {
        let (source, table, target) = files(room);
        let placed = table.placed(room / SECTOR).unwrap();
        let job = Job {
            source: &source,
            end: (SECTORS - 33) * SECTOR,
            target: &target,
            room,
            table: &placed,
            stop: &NEVER,
        };
        let (mut written, mut verified) = (0, 0);
        job.write(&mut |bytes| written += bytes).unwrap();
        let half = content(&target);
        assert!(
            half[..TABLE_BYTES].iter().all(|byte| *byte == 0),
            "no table yet"
        );
        job.verify(&mut |bytes| verified += bytes).unwrap();
        job.finish().unwrap();
        assert_eq!((written, verified), (job.bytes(), job.bytes()));
        (content(&source), content(&target), job.end)
    }

    #[test]
    fn a_disk_of_the_images_own_size_is_the_image() {
        let (source, target, end) = flash(SECTORS * SECTOR);
        let end = usize::try_from(end).unwrap();
        assert_eq!(target[..end], source[..end]);
        assert_eq!(Table::parse(&target).unwrap().sectors(), SECTORS);
        assert_eq!(&target[target.len() - 512..][..8], b"EFI PART");
    }

    #[test]
    fn on_a_larger_disk_the_table_knows_it_and_the_end_holds_nothing_old() {
        let room = 32 << 20;
        let (source, target, end) = flash(room);
        let end = usize::try_from(end).unwrap();
        assert_eq!(target[..512], source[..512], "boot code");
        let behind = TABLE_BYTES;
        assert_eq!(target[behind..end], source[behind..end]);
        assert_eq!(Table::parse(&target).unwrap().sectors(), room / SECTOR);
        let last = target.len() - TABLE_BYTES..target.len() - 33 * 512;
        assert!(target[last].iter().all(|byte| *byte == 0));
        assert_eq!(target[end + 512], 0xa5, "nothing is done to the rest");
    }

    #[test]
    fn a_disk_that_does_not_keep_its_bytes_gets_no_table() {
        let room = SECTORS * SECTOR;
        let (source, table, target) = files(room);
        let placed = table.placed(SECTORS).unwrap();
        let job = Job {
            source: &source,
            end: (SECTORS - 33) * SECTOR,
            target: &target,
            room,
            table: &placed,
            stop: &NEVER,
        };
        job.write(&mut |_| {}).unwrap();
        let at = 2 * MARGIN + 77;
        let byte = content(&target)[usize::try_from(at).unwrap()];
        target.write_all_at(&[byte ^ 1], at).unwrap();
        let error = job.verify(&mut |_| {}).unwrap_err();
        assert!(
            matches!(error, FlashError::Differs { at: found } if found == at),
            "{error}"
        );
    }

    #[test]
    fn a_signal_ends_it() {
        let (source, table, target) = files(SECTORS * SECTOR);
        let placed = table.placed(SECTORS).unwrap();
        let stop = AtomicBool::new(true);
        let job = Job {
            source: &source,
            end: (SECTORS - 33) * SECTOR,
            target: &target,
            room: SECTORS * SECTOR,
            table: &placed,
            stop: &stop,
        };
        let error = job.write(&mut |_| {}).unwrap_err();
        assert!(matches!(error, FlashError::Stopped), "{error}");
    }
}
