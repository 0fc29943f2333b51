//! The state that a journal tells.

use std::collections::BTreeMap;

use super::line;
use super::record::{Facts, Intent, MachineFacts, Record};

/// What was so when the last whole line was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// The machine.
    pub machine: MachineFacts,
    /// Every service that was told of.
    pub services: BTreeMap<String, Facts>,
    /// Deeds that may have been done or not, by their numbers: the kernel knows.
    pub open: BTreeMap<u64, Intent>,
    /// How many lines were read.
    pub lines: u64,
}

/// Reads a journal up to the first line that is torn: lines are only ever added, so nothing whole comes
/// after it.
#[must_use]
pub fn replay(journal: &[u8]) -> Restored {
    let mut restored = Restored::default();
    let mut rest = journal;
    let mut next = None;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (text, after) = rest.split_at(end);
        let Some((number, record)) = line::parse(text) else {
            break;
        };
        // What an earlier, longer line left behind it is whole, and old.
        if next.is_some_and(|next| number != next) {
            break;
        }
        next = number.checked_add(1);
        restored.take(number, record);
        rest = after.get(1..).unwrap_or_default();
    }
    restored
}

impl Restored {
    fn take(&mut self, number: u64, record: Record) {
        self.lines += 1;
        match record {
            Record::Machine(facts) => self.machine = facts,
            Record::Service(facts) => _ = self.services.insert(facts.name.clone(), *facts),
            Record::Intent(intent) => _ = self.open.insert(number, intent),
            Record::StillOpen { intent, of } => _ = self.open.insert(intent, of),
            Record::Done { intent } => _ = self.open.remove(&intent),
        }
    }
}
