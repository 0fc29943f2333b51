//! A sparse file as a row of parts, read ahead on a thread of its own: what is in it, and zeroes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::write::FlashError;

/// Read and written at once.
pub(super) const CHUNK: usize = 4 << 20;
/// A run of zeroes counts from this size on; everything is aligned to it but the end.
const GRAIN: usize = 64 << 10;
/// How far the reader is ahead, in chunks.
const AHEAD: usize = 2;
/// What O_DIRECT wants of addresses at the most.
const ALIGNMENT: usize = 4096;

/// Memory that O_DIRECT takes.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    range: Range<usize>,
}

impl Buffer {
    /// `length` zeroes.
    pub(super) fn new(length: usize) -> Self {
        let bytes = vec![0; length + ALIGNMENT];
        let over = bytes.as_ptr().addr() % ALIGNMENT;
        let start = (ALIGNMENT - over) % ALIGNMENT;
        let range = start..start + length;
        Self { bytes, range }
    }

    pub(super) fn get(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }

    pub(super) fn get_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.range.clone()).unwrap_or_default()
    }
}

/// A part of the file; parts follow each other without a gap.
#[derive(Debug)]
pub(super) enum Part {
    /// The first `length` bytes of the buffer, which hold something. Give the buffer back.
    Content {
        at: u64,
        buffer: Buffer,
        length: usize,
    },
    /// Nothing but zeroes.
    Zeroes { at: u64, length: u64 },
}

/// Hands every part of `range` in `file` to `take`, until that fails.
pub(super) fn each(
    file: &File,
    range: Range<u64>,
    mut take: impl FnMut(&Part) -> Result<(), FlashError>,
) -> Result<(), FlashError> {
    std::thread::scope(|scope| {
        let (parts, received) = sync_channel::<io::Result<Part>>(AHEAD);
        let (back, free) = channel();
        scope.spawn(move || read(file, range, &parts, &free));
        taken(&received, &back, &mut take)
        // The reader ends when nobody receives any more.
    })
}

fn taken(
    received: &Receiver<io::Result<Part>>,
    back: &Sender<Buffer>,
    take: &mut impl FnMut(&Part) -> Result<(), FlashError>,
) -> Result<(), FlashError> {
    for part in received {
        let part = part.map_err(FlashError::Source)?;
        take(&part)?;
        if let Part::Content { buffer, .. } = part {
            // The reader may have come to its end.
            let _ = back.send(buffer);
        }
    }
    Ok(())
}

/// Ends early when nobody wants more.
fn read(
    file: &File,
    range: Range<u64>,
    parts: &SyncSender<io::Result<Part>>,
    free: &Receiver<Buffer>,
) {
    let mut at = range.start;
    while at < range.end {
        let next = match next(file, at, range.end, free) {
            Ok(part) => part,
            Err(error) => {
                let _ = parts.send(Err(error));
                return;
            }
        };
        at = match &next {
            Part::Content { at, length, .. } => at + *length as u64,
            Part::Zeroes { at, length } => at + length,
        };
        if parts.send(Ok(next)).is_err() {
            return;
        }
    }
}

fn next(file: &File, at: u64, end: u64, free: &Receiver<Buffer>) -> io::Result<Part> {
    let zeroes = |to: u64| Part::Zeroes {
        at,
        length: to - at,
    };
    let grain = GRAIN as u64;
    let content = data_after(file, at)?.unwrap_or(end).min(end);
    // Down to a grain, so that everything stays aligned.
    let content = content - content % grain;
    if content > at {
        return Ok(zeroes(content));
    }
    let length = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
    let mut buffer = free.try_recv().unwrap_or_else(|_| Buffer::new(CHUNK));
    let bytes = buffer.get_mut().get_mut(..length).unwrap_or_default();
    file.read_exact_at(bytes, at)?;
    let (is_zero, run) = first_run(bytes);
    Ok(match is_zero {
        true => zeroes(at + run as u64),
        false => Part::Content {
            at,
            buffer,
            length: run,
        },
    })
}

/// Where the next byte that the file system keeps is; nothing when there is none up to the end.
fn data_after(file: &File, at: u64) -> io::Result<Option<u64>> {
    let start = i64::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
    match lseek(file, start, Whence::SeekData) {
        Ok(found) => Ok(u64::try_from(found).ok()),
        Err(Errno::ENXIO) => Ok(None),
        // A file system that keeps no holes.
        Err(Errno::EINVAL) => Ok(Some(at)),
        Err(errno) => Err(errno.into()),
    }
}

/// How many bytes from the begin on are zeroes alone, or are not, in whole grains.
fn first_run(bytes: &[u8]) -> (bool, usize) {
    let mut grains = bytes.chunks(GRAIN);
    let Some(first) = grains.next() else {
        return (true, 0);
    };
    let is_zero = is_zero(first);
    let more = grains.take_while(|grain| self::is_zero(grain) == is_zero);
    let run = more.fold(first.len(), |sum, grain| sum + grain.len());
    (is_zero, run)
}

/// Whether there are zeroes alone.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    // Many at a time, without a branch for each, which the compiler turns into vector instructions.
    let mut blocks = bytes.chunks(128);
    blocks.all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(file: &File, range: Range<u64>) -> Vec<(bool, u64, u64)> {
        let mut all = Vec::new();
        each(file, range, |part| {
            all.push(match part {
                Part::Content { at, length, buffer } => {
                    assert_eq!(buffer.get().as_ptr().addr() % ALIGNMENT, 0);
                    (true, *at, *length as u64)
                }
                Part::Zeroes { at, length } => (false, *at, *length),
            });
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn holes_and_written_zeroes_are_zeroes() {
        let file = tempfile::tempfile().unwrap();
        let grain = GRAIN as u64;
        file.set_len(64 << 20).unwrap();
        file.write_all_at(&[7; 3 * GRAIN], 10 * grain).unwrap();
        file.write_all_at(&[0; 2 * GRAIN], 13 * grain).unwrap();
        file.write_all_at(b"x", 15 * grain + 5).unwrap();
        let parts = shown(&file, 0..64 << 20);
        let content: Vec<_> = parts.iter().filter(|part| part.0).copied().collect();
        assert_eq!(
            content,
            [(true, 10 * grain, 3 * grain), (true, 15 * grain, grain)]
        );
        let sum: u64 = parts.iter().map(|part| part.2).sum();
        assert_eq!(sum, 64 << 20, "no gap: {parts:?}");
        assert!(parts.windows(2).all(|two| two[0].1 + two[0].2 == two[1].1));
    }

    #[test]
    fn the_end_need_not_be_aligned_and_no_part_is_larger_than_a_chunk() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![1; 2 * CHUNK + 512], 0).unwrap();
        let (chunk, end) = (CHUNK as u64, 2 * CHUNK as u64 + 512);
        assert_eq!(
            shown(&file, 0..end),
            [
                (true, 0, chunk),
                (true, chunk, chunk),
                (true, 2 * chunk, 512)
            ]
        );
        assert_eq!(shown(&file, end..end), []);
    }

    #[test]
    fn one_byte_is_not_zero_wherever_it_is() {
        for at in [0, 1, 15, 16, 31, 32, 36] {
            let mut bytes = [0; 37];
            assert!(is_zero(&bytes));
            bytes[at] = 1;
            assert!(!is_zero(&bytes), "{at}");
        }
    }
}
