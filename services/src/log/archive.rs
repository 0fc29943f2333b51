//! Where a line goes: into its ring, and into its file when there is a folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use orlop_config::ServiceName;
use orlop_control::LogStream;

use super::file::{Entry, FileError, LogFile};
use super::shelf::Shelf;

/// CLOCK_REALTIME in microseconds; 0 before 1970.
pub(super) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}

/// All lines.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) shelf: Shelf,
    folder: Option<PathBuf>,
    files: BTreeMap<String, LogFile>,
}

impl Archive {
    /// Nothing yet. Files are kept when there is a folder.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            shelf: Shelf::default(),
            folder,
            files: BTreeMap::new(),
        }
    }

    /// A service exists: `logs` of it begins with what its file holds.
    pub(super) fn introduce(&mut self, service: &str) {
        if !self.shelf.introduce(service) {
            return;
        }
        let Some(folder) = &self.folder else {
            return;
        };
        // The name becomes a path.
        if ServiceName::new(service).is_none() {
            return;
        }
        let file = LogFile::new(folder, service);
        for entry in file.tail() {
            let text = entry.text.as_bytes();
            self.shelf.push(service, entry.stream, entry.time_us, text);
        }
        self.files.insert(service.to_owned(), file);
    }

    /// Keeps one line. A file that cannot be written is told on standard error, which is this
    /// service's own log.
    pub(super) fn keep(&mut self, service: &str, stream: LogStream, text: &[u8]) {
        self.introduce(service);
        let time_us = now_us();
        self.shelf.push(service, stream, time_us, text);
        if let Some(file) = self.files.get_mut(service) {
            let text = String::from_utf8_lossy(text).into_owned();
            tell(file.push(&Entry {
                time_us,
                stream,
                text,
            }));
        }
    }

    /// Writes the files.
    pub(super) fn flush(&mut self) {
        for file in self.files.values_mut() {
            tell(file.flush());
        }
    }
}

fn tell(result: Result<(), FileError>) {
    if let Err(error) = result {
        crate::report::error("log", &error);
    }
}
