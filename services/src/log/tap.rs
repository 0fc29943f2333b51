//! Someone who reads.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use orlop_control::varlink::encode_reply;
use orlop_control::{LogLine, LogStream, LogsCall};
use serde::Serialize;

use super::archive::now_us;
use super::shelf::{Cursor, Found, Shelf};

/// How many bytes are made ready for a reader at a time.
const READY_BYTES: usize = 64 * 1024;
/// How many times that before the others have their turn.
const TURN: u32 = 4;

#[derive(Serialize)]
struct Nothing {}

/// A handed-over connection. What it has not taken yet stays in the rings: a slow reader costs
/// [`READY_BYTES`] and misses lines, which it is told.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) stream: UnixStream,
    cursor: Cursor,
    /// The place to stop at; none when it follows.
    end: Option<u64>,
    ready: Vec<u8>,
    written: usize,
    /// The last reply is in `ready`.
    complete: bool,
    /// When it last took something, or had nothing to take.
    pub(super) moved: Instant,
}

/// How it goes on with a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It has all there is.
    Waiting,
    /// Its connection is full: go on when it can be written.
    Full,
    /// It has all that it asked for, or is gone.
    Done,
}

impl Tap {
    /// Begins to answer a call.
    pub(super) fn new(stream: UnixStream, call: LogsCall, shelf: &Shelf) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let request = call.parameters;
        Ok(Self {
            stream,
            cursor: shelf.cursor(request.name, request.lines),
            end: (!request.follow).then(|| shelf.end()),
            ready: Vec::new(),
            written: 0,
            complete: false,
            moved: Instant::now(),
        })
    }

    /// Writes as much as goes.
    pub(super) fn advance(&mut self, shelf: &Shelf) -> Flow {
        let mut prepared = 0;
        loop {
            let Some(rest) = self.ready.get(self.written..).filter(|r| !r.is_empty()) else {
                self.ready.clear();
                self.written = 0;
                self.moved = Instant::now();
                if self.complete {
                    return Flow::Done;
                }
                if prepared == TURN {
                    return Flow::Full;
                }
                prepared += 1;
                self.prepare(shelf);
                if self.ready.is_empty() {
                    return Flow::Waiting;
                }
                continue;
            };
            match self.stream.write(rest) {
                Ok(length) => {
                    self.written += length;
                    self.moved = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flow::Full,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Flow::Done,
            }
        }
    }

    /// Whether bytes wait for the reader to take them.
    pub(super) fn is_stuck(&self) -> bool {
        self.written < self.ready.len()
    }

    fn prepare(&mut self, shelf: &Shelf) {
        while self.ready.len() < READY_BYTES {
            if self.end.is_some_and(|end| self.cursor.next >= end) {
                self.finish();
                return;
            }
            let line = match shelf.read(&mut self.cursor) {
                Found::Line(_, line) if self.end.is_some_and(|end| line.seq >= end) => {
                    self.finish();
                    return;
                }
                Found::Line(service, line) => LogLine {
                    service: service.to_owned(),
                    stream: line.stream,
                    time_us: line.time_us,
                    text: String::from_utf8_lossy(&line.text).into_owned(),
                },
                Found::Gap(service) => LogLine {
                    service,
                    stream: LogStream::Note,
                    time_us: now_us(),
                    text: "lines are missing: they were written faster than they were read"
                        .to_owned(),
                },
                Found::End if self.end.is_some() => {
                    self.finish();
                    return;
                }
                Found::End => return,
            };
            // A line has a JSON form always.
            self.ready
                .extend(encode_reply(&line, true).unwrap_or_default());
        }
    }

    fn finish(&mut self) {
        self.complete = true;
        self.ready
            .extend(encode_reply(&Nothing {}, false).unwrap_or_default());
    }
}
