//! The last lines of one service. Pure.

use std::collections::VecDeque;

use orlop_control::LogStream;

/// The most lines of one service.
pub(super) const MAX_LINES: usize = 10_000;
/// What a line costs besides its text.
const OVERHEAD: usize = 64;

/// One line as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its place among the lines of all services.
    pub(super) seq: u64,
    /// CLOCK_REALTIME, microseconds.
    pub(super) time_us: u64,
    pub(super) stream: LogStream,
    pub(super) text: Box<[u8]>,
}

/// Oldest first, in the order of `seq`.
#[derive(Debug, Default)]
pub(super) struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
    /// The highest seq that had to make room.
    forgotten: Option<u64>,
}

impl Ring {
    pub(super) fn push(&mut self, line: Line, limit: usize) {
        self.bytes += line.text.len() + OVERHEAD;
        self.lines.push_back(line);
        self.trim(limit);
    }

    /// Forgets the oldest lines until no more than `limit` bytes are kept.
    pub(super) fn trim(&mut self, limit: usize) {
        while self.bytes > limit || self.lines.len() > MAX_LINES {
            let Some(line) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= line.text.len() + OVERHEAD;
            self.forgotten = Some(line.seq);
        }
    }

    /// The first line at or behind that place.
    pub(super) fn at(&self, seq: u64) -> Option<&Line> {
        let index = self.lines.partition_point(|line| line.seq < seq);
        self.lines.get(index)
    }

    /// Whether a line at `from` or behind it, and before `to`, has been forgotten already.
    pub(super) fn has_forgotten(&self, from: u64, to: u64) -> bool {
        self.forgotten
            .is_some_and(|forgotten| (from..to).contains(&forgotten))
    }

    /// The places of the last `count` lines.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = u64> {
        self.lines.iter().rev().take(count).map(|line| line.seq)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, length: usize) -> Line {
        Line {
            seq,
            time_us: 0,
            stream: LogStream::Stdout,
            text: vec![b'x'; length].into(),
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let mut ring = Ring::default();
        for seq in 0..10 {
            ring.push(line(seq * 2, 36), 300);
        }
        assert_eq!(ring.bytes(), 300);
        assert_eq!(ring.last(9).collect::<Vec<_>>(), [18, 16, 14]);
        assert_eq!(ring.at(15).unwrap().seq, 16);
        assert_eq!(ring.at(19), None);
        assert!(ring.has_forgotten(12, 14));
        assert!(!ring.has_forgotten(13, 14) && !ring.has_forgotten(0, 12));
    }

    #[test]
    fn empty_lines_are_bounded_too() {
        let mut ring = Ring::default();
        for seq in 0..20_000 {
            ring.push(line(seq, 0), usize::MAX);
        }
        assert_eq!(ring.last(20_000).count(), MAX_LINES);
    }
}
