//! What the machine says while it runs: the console for people, kmsg for the record, the events
//! port for programs.
//!
//! Nothing here may block PID 1: every write is non-blocking, what does not fit is kept in a
//! bounded queue, and a console under XOFF loses lines rather than time (edge case 32).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::write;
use orlop_control::{BootSpan, SpanKind};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::clock::{boottime, micros, millis};
use crate::stage::Stage;

/// At most this much is kept for a sink that does not take it now: what the boot of a thousand
/// services says before the driver of the events port is there.
const QUEUE_BYTES: usize = 512 * 1024;
/// How long what is said waits for what is to be done: a launch, to its first instruction.
const GATHER: Duration = Duration::from_millis(5);
/// The host empties the events port at its own pace, and nothing tells when.
const EVENTS: Duration = Duration::from_millis(50);
/// A console under XOFF may stay so for days.
const CONSOLE: Duration = Duration::from_secs(1);
/// The text of one record in the kernel's log.
const RECORD_BYTES: usize = 900;

/// One owner of all sinks, shared by handle on PID 1's single thread.
#[derive(Debug, Clone)]
pub struct Report(Rc<RefCell<Sinks>>, Rc<Notify>);

/// When what is said is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// The boot's stages, the shutdown, the emergency: nobody else runs.
    Now,
    /// The loop runs: what is to be done goes before what is to be said of it.
    Soon,
}

#[derive(Debug)]
struct Sinks {
    console: Sink,
    kmsg: Sink,
    events: Sink,
    name_width: usize,
    when: When,
    /// Of the boot: stages, module batches, needs.
    spans: Vec<BootSpan>,
}

/// A file descriptor in non-blocking mode with a bounded queue before it.
#[derive(Debug, Default)]
struct Sink {
    fd: Option<OwnedFd>,
    queue: VecDeque<String>,
    queued: usize,
    /// Bytes that were dropped and not told of yet.
    dropped: usize,
    /// How that is told in this sink.
    tell_dropped: Option<fn(usize) -> String>,
}

impl Sink {
    fn open(path: &Path) -> Option<OwnedFd> {
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).ok()
    }

    fn push(&mut self, line: String, when: When) {
        self.queued += line.len();
        self.queue.push_back(line);
        if when == When::Now {
            self.flush();
        }
        while self.queued > QUEUE_BYTES {
            match self.queue.pop_front() {
                Some(dropped) => {
                    self.queued -= dropped.len();
                    self.dropped += dropped.len();
                }
                None => break,
            }
        }
    }

    /// Whether trying again soon can help: not without a sink, and not while nobody is at the other
    /// end of a virtio port, who would come with an event of its own.
    fn is_held_up(&self) -> bool {
        let Some(fd) = self.fd.as_ref().filter(|_| !self.queue.is_empty()) else {
            return false;
        };
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)];
        let _left_out = poll(&mut fds, PollTimeout::ZERO);
        let [fd] = fds;
        let answer = fd.revents().unwrap_or(PollFlags::empty());
        !answer.intersects(PollFlags::POLLHUP | PollFlags::POLLERR)
    }

    fn flush(&mut self) {
        let Some(fd) = &self.fd else { return };
        if let Some(tell) = self.tell_dropped.filter(|_| self.dropped > 0) {
            // Told only when it is taken, so that what is dropped meanwhile is counted in.
            let note = tell(self.dropped);
            let Ok(count) = write(fd, note.as_bytes()) else {
                return;
            };
            self.dropped = 0;
            let rest = note.get(count..).unwrap_or_default();
            if !rest.is_empty() {
                self.queued += rest.len();
                self.queue.push_front(rest.to_owned());
            }
        }
        while let Some(line) = self.queue.front_mut() {
            match write(fd, line.as_bytes()) {
                Ok(count) if count < line.len() => {
                    // A cut inside a character cannot happen at a sink that takes whole lines;
                    // a tty may cut anywhere, and the rest of the bytes follows later.
                    let rest = String::from_utf8_lossy(line.as_bytes().get(count..).unwrap_or(&[]))
                        .into_owned();
                    self.queued -= line.len() - rest.len();
                    *line = rest;
                }
                Ok(_) => {
                    self.queued -= line.len();
                    self.queue.pop_front();
                }
                Err(Errno::EAGAIN | Errno::EINTR) => return,
                // Never taken, such as EINVAL of a record that is too long for /dev/kmsg: it must
                // not hold up what follows.
                Err(_) => {
                    self.queued -= line.len();
                    self.queue.pop_front();
                }
            }
        }
    }
}

impl Sinks {
    /// One record a line; /dev/kmsg refuses one of more than 976 bytes (printk.c, LOG_LINE_MAX).
    fn log(&mut self, level: &str, text: &str) {
        for line in text.lines() {
            for piece in pieces(line, RECORD_BYTES) {
                let record = format!("<{level}>orlop: {piece}\n");
                self.kmsg.push(record, self.when);
            }
        }
    }
}

impl Report {
    /// No sink is open yet; what is said before is kept.
    #[must_use]
    pub fn new() -> Self {
        Self(
            Rc::new(RefCell::new(Sinks {
                console: Sink {
                    tell_dropped: Some(|bytes| {
                        format!("\r\n({bytes} bytes were dropped here)\r\n")
                    }),
                    ..Sink::default()
                },
                kmsg: Sink::default(),
                events: Sink {
                    tell_dropped: Some(|bytes| {
                        format!("\n{}\n", json!({"event": "dropped", "bytes": bytes}))
                    }),
                    ..Sink::default()
                },
                name_width: 14,
                when: When::Now,
                spans: Vec::new(),
            })),
            Rc::default(),
        )
    }

    /// Writes what is said while the loop runs, a moment later, as long as the future is polled: a
    /// restart's launch does not wait for the lines that tell of it. Tries again what a sink did not take.
    pub fn keep_writing(self) -> impl Future<Output = ()> {
        self.0.borrow_mut().when = When::Soon;
        self.write_soon()
    }

    async fn write_soon(self) {
        loop {
            self.1.notified().await;
            sleep(GATHER).await;
            self.flush();
            while let Some(pause) = self.held_up() {
                let _news_or_time = timeout(pause, self.1.notified()).await;
                self.flush();
            }
        }
    }

    /// From now on what is said is written at once; what was said before follows.
    pub fn write_at_once(&self) {
        self.0.borrow_mut().when = When::Now;
        self.flush();
    }

    /// Something was said.
    fn said(&self) {
        if self.0.borrow().when == When::Soon {
            self.1.notify_one();
        }
    }

    /// Opens the console and the kernel's log once `/dev` is there, and what of them could not be
    /// opened before. True when it is the console.
    pub fn open_console(&self) -> bool {
        let mut sinks = self.0.borrow_mut();
        if sinks.console.fd.is_some() {
            return false;
        }
        if sinks.kmsg.fd.is_none() {
            sinks.kmsg.fd = Sink::open(Path::new("/dev/kmsg"));
            sinks.kmsg.flush();
        }
        sinks.console.fd = Sink::open(Path::new("/dev/console"));
        sinks.console.flush();
        sinks.console.fd.is_some()
    }

    /// Opens the events port, once its driver is loaded; what was said before follows.
    pub fn open_events(&self, port: &Path) {
        let mut sinks = self.0.borrow_mut();
        sinks.events.fd = Sink::open(port);
        drop(sinks);
        self.flush();
        self.said();
    }

    /// After how long what the events port or the console has not taken should be tried again.
    fn held_up(&self) -> Option<Duration> {
        let sinks = self.0.borrow();
        match (sinks.events.is_held_up(), sinks.console.is_held_up()) {
            (true, _) => Some(EVENTS),
            (false, true) => Some(CONSOLE),
            (false, false) => None,
        }
    }

    /// Tries again what the sinks did not take before.
    pub fn flush(&self) {
        let mut sinks = self.0.borrow_mut();
        sinks.console.flush();
        sinks.kmsg.flush();
        sinks.events.flush();
    }

    /// One line on the console and in the kernel's log. `<6>` of syslog(2): informational.
    pub fn line(&self, text: &str) {
        self.write("6", text);
    }

    /// Something is not as it should be, and the machine goes on.
    pub fn warn(&self, text: &str) {
        self.write("4", &format!("\x1b[33m{text}\x1b[0m"));
    }

    /// Only in the kernel's log.
    pub fn record(&self, text: &str) {
        self.0.borrow_mut().log("6", text);
        self.said();
    }

    fn write(&self, level: &str, text: &str) {
        let mut sinks = self.0.borrow_mut();
        let when = sinks.when;
        sinks.console.push(format!("{text}\r\n"), when);
        sinks.log(level, &strip_colours(text));
        drop(sinks);
        self.said();
    }

    /// One event for programs.
    pub fn event(&self, event: &Value) {
        let mut sinks = self.0.borrow_mut();
        let when = sinks.when;
        sinks.events.push(format!("{event}\n"), when);
        drop(sinks);
        self.said();
    }

    /// A step of the boot ended now, for `orlop boot`.
    pub fn span(&self, kind: SpanKind, name: &str, begin: Duration) {
        self.span_until(kind, name, begin, boottime());
    }

    fn span_until(&self, kind: SpanKind, name: &str, begin: Duration, end: Duration) {
        self.0.borrow_mut().spans.push(BootSpan {
            kind,
            name: name.to_owned(),
            begin_us: Some(micros(begin)),
            end_us: Some(micros(end)),
            ..BootSpan::default()
        });
    }

    /// The steps of the boot so far, in the order of their ends.
    #[must_use]
    pub fn spans(&self) -> Vec<BootSpan> {
        self.0.borrow().spans.clone()
    }

    /// A stage ended.
    pub fn stage(&self, stage: Stage, took: Duration, degraded: &[String]) {
        // First: the console takes its time.
        let now = boottime();
        self.span_until(SpanKind::Stage, stage.name(), now.saturating_sub(took), now);
        let millis = millis(took);
        let width = self.0.borrow().name_width;
        if degraded.is_empty() {
            self.line(&format!(
                "  \x1b[32m✓\x1b[0m {:width$} {millis:>7} ms",
                stage.name()
            ));
        } else {
            self.line(&format!(
                "  \x1b[33m!\x1b[0m {:width$} {millis:>7} ms  \x1b[33m{}\x1b[0m",
                stage.name(),
                degraded.join("; ")
            ));
        }
        self.event(&json!({
            "event": "stage",
            "stage": stage.name(),
            "elapsed_ms": f64::from(u32::try_from(took.as_micros() / 100).unwrap_or(u32::MAX)) / 10.0,
            "uptime_ms": uptime_ms(),
            "degraded": if degraded.is_empty() { Value::Null } else { Value::from(degraded.join("; ")) },
        }));
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

/// CLOCK_BOOTTIME in whole milliseconds, for events.
#[must_use]
pub fn uptime_ms() -> u64 {
    u64::try_from(boottime().as_millis()).unwrap_or(u64::MAX)
}

/// The text in pieces of at most `most` bytes, cut between characters.
fn pieces(mut text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    while text.len() > most {
        let cut = text.floor_char_boundary(most.max(4));
        let (piece, rest) = text.split_at(cut);
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

/// The text without its SGR sequences: the kernel's log escapes them into noise.
fn strip_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\x1b[") {
        plain.push_str(rest.get(..start).unwrap_or_default());
        rest = rest.get(start..).unwrap_or_default();
        let end = rest.find('m').map_or(rest.len(), |m| m + 1);
        rest = rest.get(end..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_reach_the_kernels_log() {
        assert_eq!(strip_colours("\x1b[33mlow\x1b[0m memory"), "low memory");
        assert_eq!(strip_colours("plain \x1b[1"), "plain ");
    }

    #[test]
    fn a_record_that_is_refused_holds_up_nothing() {
        let mut sink = Sink {
            fd: Sink::open(Path::new("/dev/full")),
            ..Sink::default()
        };
        sink.push("refused with ENOSPC\n".to_owned(), When::Now);
        assert_eq!((sink.queue.len(), sink.queued), (0, 0));
    }

    #[test]
    fn a_long_text_becomes_records_that_fit() {
        let text = "ä".repeat(1000);
        let cut = pieces(&text, RECORD_BYTES);
        assert!(cut.iter().all(|piece| piece.len() <= RECORD_BYTES));
        assert_eq!(cut.concat(), text);
        assert_eq!(pieces("short", RECORD_BYTES), ["short"]);
    }

    #[test]
    fn edge_32_what_a_stopped_console_missed_is_counted() {
        let (reading, writing) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let mut sink = Sink {
            fd: Some(writing),
            tell_dropped: Some(|bytes| format!("({bytes} dropped)\n")),
            ..Sink::default()
        };
        let line = "0123456789\n";
        let lines = 100_000;
        for _ in 0..lines {
            sink.push(line.to_owned(), When::Now);
        }
        let mut seen = vec![];
        let mut buffer = [0; 4096];
        while let Ok(count) = nix::unistd::read(&reading, &mut buffer) {
            seen.extend_from_slice(&buffer[..count]);
            sink.flush();
        }
        let seen = String::from_utf8(seen).unwrap();
        let note = seen
            .lines()
            .find(|line| line.ends_with("dropped)"))
            .unwrap();
        let dropped: usize = note[1..].split(' ').next().unwrap().parse().unwrap();
        let arrived = seen.len() - note.len() - 1;
        assert_eq!(arrived + dropped, lines * line.len());
        assert!(dropped > 0);
    }

    #[test]
    fn who_is_full_is_tried_again_and_who_has_left_is_not() {
        let (reading, writing) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let mut sink = Sink {
            fd: Some(writing),
            ..Sink::default()
        };
        sink.push("taken\n".to_owned(), When::Now);
        assert!(!sink.is_held_up());
        while !sink.is_held_up() {
            sink.push("0123456789\n".to_owned(), When::Now);
        }
        drop(reading);
        assert!(!sink.is_held_up());
    }

    #[test]
    fn a_sink_that_takes_nothing_keeps_a_bounded_queue() {
        let mut sink = Sink::default();
        for _ in 0..100_000 {
            sink.push("0123456789\n".to_owned(), When::Now);
        }
        assert!(sink.queued <= QUEUE_BYTES);
        assert_eq!(
            sink.queued,
            sink.queue.iter().map(String::len).sum::<usize>()
        );
    }
}
