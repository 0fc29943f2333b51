//! Which instant the power goes at, and what of the last writes the disk still has: pure.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context as _, Result};

use super::write_log::{Change, Entry};
use crate::Dice;

/// What a disk writes whole or not at all.
pub(super) const SECTOR: u64 = 512;

/// A power cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The entry that is the last flush that the disk has done: all before it is there.
    pub flush: usize,
    /// Where in the log that flush ends. What was acknowledged at this position or before must be
    /// there.
    pub position: u64,
    /// What became of the entries after it; one that is not named is lost.
    pub later: BTreeMap<usize, Fate>,
}

/// What became of an entry after the last flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    Whole,
    /// Of its sectors there are those for which this is true.
    Torn(Vec<bool>),
}

/// Throws a request, and gives a cut after it, at a flush that ends at one of these positions of the log:
/// the last one that was done by then. So a flush is the likelier the more was written after it.
///
/// # Errors
/// When there is none.
pub fn throw(entries: &[Entry], within: &Range<u64>, dice: &mut Dice) -> Result<Cut> {
    let mut last = None;
    let mut flushes = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        if entry.flush {
            last = Some((number, entry.end)).filter(|(_, end)| within.contains(end));
        }
        flushes.extend(last);
    }
    let thrown = flushes.get(dice.below(flushes.len()));
    let &(flush, position) =
        thrown.with_context(|| format!("no flush in {within:?} of the log"))?;
    // Of few cuts some shall lose nearly all, and some nearly nothing.
    let luck = dice.below(5);
    let mut later = BTreeMap::new();
    for (number, entry) in entries.iter().enumerate().skip(flush) {
        // The next flush was not done, so no write that waited for it was begun.
        if number > flush && entry.flush {
            break;
        }
        if entry.change == Change::None {
            continue;
        }
        let fate = if entry.fua {
            Some(Fate::Whole)
        } else {
            fate(entry, luck, dice)
        };
        later.extend(fate.map(|fate| (number, fate)));
    }
    Ok(Cut {
        flush,
        position,
        later,
    })
}

/// `luck` of four writes come through, and every fourth one torn.
fn fate(entry: &Entry, luck: usize, dice: &mut Dice) -> Option<Fate> {
    let sectors = (entry.place.end - entry.place.start) / SECTOR;
    if entry.change != Change::Discarded && sectors > 1 && dice.below(4) == 0 {
        return Some(Fate::Torn(
            (0..sectors).map(|_| dice.below(2) == 0).collect(),
        ));
    }
    (dice.below(4) < luck).then_some(Fate::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(change: Change, flush: bool, fua: bool, end: u64) -> Entry {
        let place = if change == Change::None {
            0..0
        } else {
            0..4096
        };
        Entry {
            place,
            change,
            flush,
            fua,
            end,
        }
    }

    fn log() -> Vec<Entry> {
        vec![
            entry(Change::Written(0), false, false, 1),
            entry(Change::None, true, false, 2),
            entry(Change::Written(0), false, false, 3),
            entry(Change::Written(0), false, true, 4),
            entry(Change::Discarded, false, false, 5),
            entry(Change::None, true, false, 6),
            entry(Change::Written(0), false, false, 7),
        ]
    }

    #[test]
    fn a_cut_is_at_a_flush_of_the_range_and_touches_nothing_behind_the_next_one() {
        let mut seen = Vec::new();
        for seed in 0..200 {
            let cut = throw(&log(), &(0..100), &mut Dice::new(seed)).unwrap();
            assert!(
                [(1, 2), (5, 6)].contains(&(cut.flush, cut.position)),
                "{cut:?}"
            );
            let window = if cut.flush == 1 { 2..5 } else { 6..7 };
            assert!(
                cut.later.keys().all(|number| window.contains(number)),
                "{cut:?}"
            );
            seen.push(cut);
        }
        let fates = |number| {
            seen.iter()
                .filter(|c| c.flush == 1)
                .map(move |c| c.later.get(&number))
        };
        assert!(fates(2).any(|fate| fate.is_none()));
        assert!(fates(2).any(|fate| fate == Some(&Fate::Whole)));
        assert!(
            fates(2).any(|fate| matches!(fate, Some(Fate::Torn(sectors)) if sectors.len() == 8))
        );
        assert!(fates(4).any(|fate| fate.is_none()));
        assert!(!fates(4).any(|fate| matches!(fate, Some(Fate::Torn(_)))));
    }

    #[test]
    fn what_was_written_through_is_there() {
        for seed in 0..200 {
            let cut = throw(&log(), &(2..3), &mut Dice::new(seed)).unwrap();
            assert_eq!(cut.later.get(&3), Some(&Fate::Whole));
        }
    }

    #[test]
    fn a_flush_that_carries_data_flushes_what_was_before_it() {
        let log = [entry(Change::Written(0), true, false, 1)];
        let lost = |seed| {
            throw(&log, &(0..9), &mut Dice::new(seed))
                .unwrap()
                .later
                .is_empty()
        };
        assert!((0..50).any(lost) && !(0..50).all(lost));
    }

    #[test]
    fn a_flush_with_much_after_it_is_likelier() {
        let mut log = log();
        log.extend(vec![entry(Change::Written(0), false, false, 8); 90]);
        let thrown = |seed| throw(&log, &(0..100), &mut Dice::new(seed)).unwrap();
        assert!((0..100).filter(|seed| thrown(*seed).flush == 5).count() > 80);
    }

    #[test]
    fn a_seed_throws_the_same_again() {
        let thrown = |seed| throw(&log(), &(0..100), &mut Dice::new(seed)).unwrap();
        assert_eq!(thrown(7), thrown(7));
        assert!((0..50).any(|seed| thrown(seed) != thrown(7)));
    }

    #[test]
    fn a_range_without_flush_is_named() {
        let error = throw(&log(), &(7..9), &mut Dice::new(1)).unwrap_err();
        assert_eq!(error.to_string(), "no flush in 7..9 of the log");
    }
}
