//! PID 1's state as a journal, so that another PID 1 can go on where this one stopped.
//!
//! Append-only lines in a memfd that cannot shrink: a checksum and one JSON object each. What is about
//! to be done is written before, what came of it after, what is so a moment later; so a reader knows
//! which deeds may or may not have happened, and settles these from the kernel's facts.
//!
//! ```text
//! 7019a5e9 {"n":0,"intent":{"service":"web","deed":"launch","number":3}}
//! bc89afd0 {"n":1,"done":{"intent":0}}
//! ```
//! When the journal has grown to several times what it says, that is written afresh into another memfd,
//! which takes its place: it stays bounded.
//!
//! Nothing reads it yet in PID 1: re-execution comes later. It will find the memfd at a fixed number
//! (`docs/supervision.md`), as its other descriptors.
//!
//! Written by the loop alone (`machine/journaled.rs`). A journal that cannot be written is said once;
//! the machine goes on.

mod line;
mod record;
mod replay;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::uio::pwrite;
use orlop_sys::memfd;

pub use record::{Deadlines, Deed, Exit, Facts, Intent, MachineFacts, Record};
pub use replay::{Restored, replay};

/// Below this it is never written afresh.
const LEAST: u64 = 64 << 10;
/// It is when it has grown to so many times its last fresh start.
const GROWTH: u64 = 4;

/// The journal of this PID 1.
#[derive(Debug)]
pub struct Journal {
    file: OwnedFd,
    /// Where the next line goes: what lies behind was torn.
    end: u64,
    /// Written afresh at this length.
    bound: u64,
    next: u64,
    /// The last line of each, for a fresh start, and to pass over what has not changed.
    machine: Option<String>,
    services: BTreeMap<String, String>,
    /// Deeds whose end was not written yet.
    open: BTreeMap<u64, Intent>,
}

impl Journal {
    /// An empty one.
    ///
    /// # Errors
    /// The errno of memfd_create(2) or fcntl(2).
    pub fn start() -> Result<Self, Errno> {
        Ok(Self {
            file: memfd::growing(NAME)?,
            end: 0,
            bound: LEAST,
            next: 0,
            machine: None,
            services: BTreeMap::new(),
            open: BTreeMap::new(),
        })
    }

    /// What is so of the machine; nothing is written when it was so before.
    ///
    /// # Errors
    /// The errno of the write.
    pub fn machine(&mut self, facts: &MachineFacts) -> Result<(), Errno> {
        let text = line::json(&Record::Machine(facts.clone()))?;
        if self.machine.as_ref() == Some(&text) {
            return Ok(());
        }
        self.append(&text)?;
        self.machine = Some(text);
        self.bounded()
    }

    /// What is so of a service; nothing is written when it was so before.
    ///
    /// # Errors
    /// The errno of the write.
    pub fn service(&mut self, facts: Facts) -> Result<(), Errno> {
        let name = facts.name.clone();
        let text = line::json(&Record::Service(Box::new(facts)))?;
        if self.services.get(&name) == Some(&text) {
            return Ok(());
        }
        self.append(&text)?;
        self.services.insert(name, text);
        self.bounded()
    }

    /// What is about to be done; gives the number for [`Journal::done`].
    ///
    /// # Errors
    /// The errno of the write.
    pub fn intent(&mut self, intent: Intent) -> Result<u64, Errno> {
        let number = self.append(&line::json(&Record::Intent(intent.clone()))?)?;
        self.open.insert(number, intent);
        Ok(number)
    }

    /// It has been done, or it never will be.
    ///
    /// # Errors
    /// The errno of the write.
    pub fn done(&mut self, number: u64) -> Result<(), Errno> {
        if self.open.remove(&number).is_some() {
            self.append(&line::json(&Record::Done { intent: number })?)?;
        }
        self.bounded()
    }

    /// The end of the launch of this service that is under way, if one is.
    ///
    /// # Errors
    /// The errno of the write.
    pub fn launched(&mut self, service: &str) -> Result<(), Errno> {
        let launch = |intent: &Intent| intent.service == service && intent.deed == Deed::Launch;
        let mut open = self.open.iter();
        match open.find_map(|(number, intent)| launch(intent).then_some(*number)) {
            Some(number) => self.done(number),
            None => Ok(()),
        }
    }

    /// How long it is, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.end
    }

    /// Adds one line and gives its number. One that could not be written whole is written over by the
    /// next.
    fn append(&mut self, json: &str) -> Result<u64, Errno> {
        let number = self.next;
        let line = line::framed(number, json);
        write_at(&self.file, line.as_bytes(), self.end)?;
        self.end += line.len() as u64;
        self.next += 1;
        Ok(number)
    }

    /// Starts afresh when it is time. The old one holds until the new one is whole.
    fn bounded(&mut self) -> Result<(), Errno> {
        if self.end < self.bound {
            return Ok(());
        }
        let file = memfd::growing(NAME)?;
        let mut text = String::new();
        let mut next = self.next;
        let mut add = |json: &str| {
            text.push_str(&line::framed(next, json));
            next += 1;
            next - 1
        };
        for json in self.machine.iter().chain(self.services.values()) {
            add(json);
        }
        let mut open = BTreeMap::new();
        for (number, intent) in &self.open {
            // Its number stays its name: whoever writes its end knows no other.
            let json = line::json(&Record::StillOpen {
                intent: *number,
                of: intent.clone(),
            })?;
            add(&json);
            open.insert(*number, intent.clone());
        }
        write_at(&file, text.as_bytes(), 0)?;
        self.file = file;
        self.end = text.len() as u64;
        self.bound = LEAST.max(self.end.saturating_mul(GROWTH));
        self.next = next;
        self.open = open;
        Ok(())
    }
}

/// Shown by /proc/1/fd.
const NAME: &std::ffi::CStr = c"orlop-journal";

fn write_at(file: &OwnedFd, mut bytes: &[u8], offset: u64) -> Result<(), Errno> {
    let mut offset = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
    while !bytes.is_empty() {
        let written = match pwrite(file, bytes, offset) {
            Ok(0) => return Err(Errno::EIO),
            Ok(written) => written,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno),
        };
        bytes = bytes.get(written..).ok_or(Errno::EIO)?;
        offset = offset.saturating_add(i64::try_from(written).map_err(|_| Errno::EFBIG)?);
    }
    Ok(())
}
