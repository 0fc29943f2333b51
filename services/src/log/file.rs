//! A service's file: JSON lines, rotated, so that lines outlive a restart of `log` and a reboot.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orlop_control::LogStream;
use serde::{Deserialize, Serialize};

/// When a file is this long it becomes `<name>.log.1`, over the former one.
const ROTATE_BYTES: u64 = 4 * 1024 * 1024;
/// How much of a file is read back.
const TAIL_BYTES: u64 = 128 * 1024;
/// Lines are collected up to this many bytes before they are written.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long a file that could not be written is left alone.
const RETRY: Duration = Duration::from_secs(10);

/// A line as it is in the file.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) time_us: u64,
    pub(super) stream: LogStream,
    pub(super) text: String,
}

/// Why a file is not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("open {}", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("rotate {}", path.display())]
    Rotate {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// One service's file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    open: Option<(File, u64)>,
    buffer: Vec<u8>,
    failed_at: Option<Instant>,
}

impl LogFile {
    /// The service's file in that folder; opened when the first line is written.
    pub(super) fn new(folder: &Path, service: &str) -> Self {
        Self {
            path: folder.join(format!("{service}.log")),
            open: None,
            buffer: Vec::new(),
            failed_at: None,
        }
    }

    /// Adds a line. It is written by [`LogFile::flush`], or here when much is waiting.
    pub(super) fn push(&mut self, entry: &Entry) -> Result<(), FileError> {
        if self.failed_at.is_some_and(|at| at.elapsed() < RETRY) {
            return Ok(());
        }
        // A line has a JSON form always.
        if serde_json::to_writer(&mut self.buffer, entry).is_ok() {
            self.buffer.push(b'\n');
        }
        if self.buffer.len() >= BUFFER_BYTES {
            return self.flush();
        }
        Ok(())
    }

    /// Writes what waits. A failure costs these lines; the next attempt is some seconds later.
    pub(super) fn flush(&mut self) -> Result<(), FileError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.write();
        self.buffer.clear();
        self.failed_at = written.is_err().then(Instant::now);
        if written.is_err() {
            self.open = None;
        }
        written
    }

    fn write(&mut self) -> Result<(), FileError> {
        let (mut file, length) = match self.open.take() {
            Some((_, length)) if length >= ROTATE_BYTES => self.rotate()?,
            Some(open) => open,
            None => self.open_file()?,
        };
        file.write_all(&self.buffer)
            .map_err(|source| FileError::Write {
                path: self.path.clone(),
                source,
            })?;
        let added = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        self.open = Some((file, length.saturating_add(added)));
        Ok(())
    }

    fn rotate(&self) -> Result<(File, u64), FileError> {
        let old = self.path.with_extension("log.1");
        std::fs::rename(&self.path, old).map_err(|source| FileError::Rotate {
            path: self.path.clone(),
            source,
        })?;
        self.open_file()
    }

    fn open_file(&self) -> Result<(File, u64), FileError> {
        let open = || {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(&self.path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        open().map_err(|source| FileError::Open {
            path: self.path.clone(),
            source,
        })
    }

    /// The last lines of the file; none when there is none. A line that a power cut left half is
    /// passed over.
    pub(super) fn tail(&self) -> Vec<Entry> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            let start = length.saturating_sub(TAIL_BYTES);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        // Without its file a service begins with no lines: that is what was before the file too.
        let bytes = read().unwrap_or_default();
        bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry {
            time_us: 5,
            stream: LogStream::Stdout,
            text: text.to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_back_without_what_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = LogFile::new(folder.path(), "web");
        assert_eq!(file.tail(), []);
        file.push(&entry("one\u{1b}")).unwrap();
        file.flush().unwrap();
        let path = folder.path().join("web.log");
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"time_us\":5,\"str");
        std::fs::write(&path, text).unwrap();
        let file = LogFile::new(folder.path(), "web");
        assert_eq!(file.tail(), [entry("one\u{1b}")]);
    }

    #[test]
    fn two_files_are_the_most() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = LogFile::new(folder.path(), "web");
        for _ in 0..1400 {
            file.push(&entry(&"x".repeat(10_000))).unwrap();
        }
        file.flush().unwrap();
        let mut names = Vec::new();
        for item in std::fs::read_dir(folder.path()).unwrap() {
            let item = item.unwrap();
            assert!(item.metadata().unwrap().len() < ROTATE_BYTES + 100_000);
            names.push(item.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["web.log", "web.log.1"]);
    }

    #[test]
    fn a_folder_that_is_gone_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = LogFile::new(&folder.path().join("gone"), "web");
        file.push(&entry("one")).unwrap();
        assert!(file.flush().is_err());
        file.push(&entry("two")).unwrap();
        assert!(file.flush().is_ok());
    }
}
