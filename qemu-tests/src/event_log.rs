//! Every event of a run in order, and waiting for one.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use crate::HANG_LIMIT;

#[derive(Debug, Default)]
struct State {
    events: Vec<Value>,
    ended: bool,
}

/// Shared between the thread that reads and the tests that wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventLog(Arc<(Mutex<State>, Condvar)>);

/// Why a wait ended without its event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// The run ended before.
    Ended,
    /// [`HANG_LIMIT`] is over.
    Hung,
}

impl EventLog {
    /// Reads JSON lines on a thread of its own until they end.
    pub(crate) fn read(lines: impl Read + Send + 'static) -> Self {
        let json = |line: String| serde_json::from_str(&line).unwrap_or(Value::String(line));
        Self::start(lines, json)
    }

    /// The same for lines of text, each as a JSON string.
    pub(crate) fn read_text(lines: impl Read + Send + 'static) -> Self {
        Self::start(lines, Value::String)
    }

    fn start(lines: impl Read + Send + 'static, parse: fn(String) -> Value) -> Self {
        let log = Self::default();
        let writer = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                writer.lock().events.push(parse(line));
                writer.0.1.notify_all();
            }
            writer.lock().ended = true;
            writer.0.1.notify_all();
        });
        log
    }

    /// How many events there were until now.
    pub(crate) fn len(&self) -> usize {
        self.lock().events.len()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.lock().events.clone()
    }

    /// Waits until `find` finds what it looks for among the events from number `from` on.
    pub(crate) fn wait<T>(
        &self,
        from: usize,
        find: impl Fn(&[Value]) -> Option<T>,
    ) -> Result<T, Missed> {
        let limit = Instant::now() + HANG_LIMIT;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(state.events.get(from..).unwrap_or_default()) {
                return Ok(found);
            }
            if state.ended {
                return Err(Missed::Ended);
            }
            let left = limit.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Missed::Hung);
            }
            let waited = self.0.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_before_the_wait_is_found_and_the_end_is_seen() {
        let log = EventLog::read(&b"{\"event\":\"ready\"}\nnoise\n"[..]);
        let ready = |events: &[Value]| events.iter().position(|e| e["event"] == "ready");
        assert_eq!(log.wait(0, ready), Ok(0));
        assert_eq!(log.wait(1, ready), Err(Missed::Ended));
        assert_eq!(log.all()[1], "noise");
    }
}
