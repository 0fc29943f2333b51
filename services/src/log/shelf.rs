//! The rings of all services, and reading them in the order of their lines. Pure.

use std::collections::BTreeMap;

use orlop_control::LogStream;

use super::ring::{Line, Ring};

/// The most bytes of one service.
const RING_BYTES: usize = 1024 * 1024;
/// The most bytes of all services; each has its equal part of it when there are many.
const SHELF_BYTES: usize = 32 * 1024 * 1024;

/// Which lines are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// One service, or all.
    pub(super) service: Option<String>,
    /// The place of the next line.
    pub(super) next: u64,
}

/// What comes next at a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A line of a service.
    Line(&'a str, &'a Line),
    /// Lines of a service have been forgotten before they were read.
    Gap(String),
    /// Nothing yet.
    End,
}

/// Everything that is kept in memory.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    rings: BTreeMap<String, Ring>,
    /// The place of the next line.
    next: u64,
}

impl Shelf {
    /// Makes a service known. True when it was not.
    pub(super) fn introduce(&mut self, service: &str) -> bool {
        if self.rings.contains_key(service) {
            return false;
        }
        self.rings.insert(service.to_owned(), Ring::default());
        let limit = self.limit();
        for ring in self.rings.values_mut() {
            ring.trim(limit);
        }
        true
    }

    /// Keeps a line.
    pub(super) fn push(&mut self, service: &str, stream: LogStream, time_us: u64, text: &[u8]) {
        self.introduce(service);
        let limit = self.limit();
        let seq = self.next;
        self.next += 1;
        if let Some(ring) = self.rings.get_mut(service) {
            let text = text.into();
            ring.push(
                Line {
                    seq,
                    time_us,
                    stream,
                    text,
                },
                limit,
            );
        }
    }

    /// The place behind the last line.
    pub(super) fn end(&self) -> u64 {
        self.next
    }

    /// A cursor before the last `lines` lines, or before all that are kept.
    pub(super) fn cursor(&self, service: Option<String>, lines: Option<u32>) -> Cursor {
        let count = lines.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let rings = self.rings.iter();
        let asked = rings.filter(|(name, _)| service.as_ref().is_none_or(|s| s == *name));
        let mut places: Vec<u64> = asked.flat_map(|(_, ring)| ring.last(count)).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.truncate(count);
        let next = places.last().copied().unwrap_or(self.next);
        Cursor { service, next }
    }

    /// The next line at or behind the cursor, which moves behind it.
    pub(super) fn read(&self, cursor: &mut Cursor) -> Found<'_> {
        let rings = self.rings.iter();
        let asked = rings.filter(|(name, _)| cursor.service.as_ref().is_none_or(|s| s == *name));
        let lines = asked.clone();
        let lines = lines.filter_map(|(name, ring)| Some((name, ring.at(cursor.next)?)));
        let next = lines.min_by_key(|(_, line)| line.seq);
        let place = next.map_or(self.next, |(_, line)| line.seq);
        let mut gaps = asked.filter(|(_, ring)| ring.has_forgotten(cursor.next, place));
        if let Some((name, _)) = gaps.next() {
            // All other lines are at that place or behind it: none is passed over.
            cursor.next = place;
            return Found::Gap(name.clone());
        }
        match next {
            Some((name, line)) => {
                cursor.next = line.seq + 1;
                Found::Line(name, line)
            }
            None => Found::End,
        }
    }

    fn limit(&self) -> usize {
        (SHELF_BYTES / self.rings.len().max(1)).min(RING_BYTES)
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.rings.values().map(Ring::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf {
        let mut shelf = Shelf::default();
        for (service, text) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("a", "5")] {
            shelf.push(service, LogStream::Stdout, 0, text.as_bytes());
        }
        shelf
    }

    fn texts(shelf: &Shelf, mut cursor: Cursor) -> String {
        let mut text = String::new();
        loop {
            match shelf.read(&mut cursor) {
                Found::Line(_, line) => text.push_str(std::str::from_utf8(&line.text).unwrap()),
                Found::Gap(_) => text.push('~'),
                Found::End => return text,
            }
        }
    }

    #[test]
    fn one_service_or_all_the_last_or_all() {
        let shelf = shelf();
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(texts(&shelf, shelf.cursor(None, None)), "12345");
        assert_eq!(texts(&shelf, shelf.cursor(None, Some(2))), "45");
        assert_eq!(texts(&shelf, shelf.cursor(name("a"), Some(2))), "35");
        assert_eq!(texts(&shelf, shelf.cursor(name("b"), None)), "2");
        assert_eq!(texts(&shelf, shelf.cursor(None, Some(0))), "");
        assert_eq!(texts(&shelf, shelf.cursor(name("x"), None)), "");
    }

    #[test]
    fn a_slow_reader_sees_that_lines_are_gone() {
        let mut shelf = shelf();
        let mut cursor = shelf.cursor(None, None);
        shelf.read(&mut cursor);
        let long = vec![b'x'; 400_000];
        for _ in 0..4 {
            shelf.push("a", LogStream::Stdout, 0, &long);
        }
        let mut seen = Vec::new();
        loop {
            match shelf.read(&mut cursor) {
                Found::Line(name, line) => seen.push((name.to_owned(), line.text.len())),
                Found::Gap(name) => seen.push((name, 0)),
                Found::End => break,
            }
        }
        let expected = [("b", 1), ("c", 1), ("a", 0), ("a", 400_000), ("a", 400_000)];
        // "3" and "5" of a are gone, and two long ones.
        assert_eq!(
            seen,
            expected.map(|(name, length)| (name.to_owned(), length))
        );
    }

    #[test]
    fn many_services_share_the_memory() {
        let mut shelf = Shelf::default();
        for service in 0..200 {
            for _ in 0..20 {
                shelf.push(&service.to_string(), LogStream::Stderr, 0, &[b'x'; 16_000]);
            }
        }
        assert!(shelf.bytes() <= SHELF_BYTES);
        assert!(shelf.bytes() > SHELF_BYTES / 2);
    }
}
