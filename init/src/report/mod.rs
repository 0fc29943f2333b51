//! What the machine says while it runs: the console for people, kmsg for the record, the events
//! port for programs.
//!
//! Nothing here may block PID 1: every write is non-blocking, what does not fit is kept in a
//! bounded queue, and a console under XOFF loses lines rather than time (edge case 32).

mod record;
mod sink;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use orlop_control::{BootSpan, SpanKind};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use self::record::{RECORD_BYTES, pieces, strip_colours};
use self::sink::{Sink, When};
use crate::clock::{boottime, micros, millis};
use crate::stage::Stage;

/// How long what is said waits for what is to be done: a launch, to its first instruction.
const GATHER: Duration = Duration::from_millis(5);
/// The host empties the events port at its own pace, and nothing tells when.
const EVENTS: Duration = Duration::from_millis(50);
/// A console under XOFF may stay so for days.
const CONSOLE: Duration = Duration::from_secs(1);

/// One owner of all sinks, shared by handle on PID 1's single thread.
#[derive(Debug, Clone)]
pub struct Report(Rc<RefCell<Sinks>>, Rc<Notify>);

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
                console: Sink::telling(|bytes| {
                    format!("\r\n({bytes} bytes were dropped here)\r\n")
                }),
                kmsg: Sink::default(),
                events: Sink::telling(|bytes| {
                    format!("\n{}\n", json!({"event": "dropped", "bytes": bytes}))
                }),
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
