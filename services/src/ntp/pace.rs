//! When to ask next. Pure.

use std::time::Duration;

/// The logarithms of the seconds between two questions: 64 s while the clock is new to us, 17 minutes
/// when it keeps its pace.
const SOONEST: u8 = 6;
const LATEST: u8 = 10;
/// After a failure: 2 s, then twice as long each time, up to 64 s.
const FIRST_RETRY: u8 = 1;
/// A clock that is no farther off than this needs less looking after, microseconds.
const STEADY: u64 = 10_000;
/// One that is farther off needs more.
const UNSTEADY: u64 = 128_000;

/// How often the servers are asked.
#[derive(Debug)]
pub(super) struct Pace {
    poll: u8,
    failures: u8,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: SOONEST,
            failures: 0,
        }
    }
}

impl Pace {
    /// The logarithm of the seconds until the next question, were this one to succeed.
    pub(super) fn poll(&self) -> u8 {
        self.poll
    }

    /// The clock was so far off, and is right now.
    pub(super) fn adjusted(&mut self, offset_us: i64) {
        self.failures = 0;
        match offset_us.unsigned_abs() {
            0..=STEADY => self.poll = LATEST.min(self.poll + 1),
            UNSTEADY.. => self.poll = SOONEST,
            _ => {}
        }
    }

    /// Nobody could say, or PID 1 did not believe it.
    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// How long to wait now.
    pub(super) fn wait(&self) -> Duration {
        let exponent = match self.failures {
            0 => self.poll,
            count => SOONEST.min(FIRST_RETRY + count - 1),
        };
        Duration::from_secs(1 << exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_clock_is_asked_for_less_and_less() {
        let mut pace = Pace::default();
        let waits: Vec<u64> = (0..6)
            .map(|_| {
                pace.adjusted(-9_000);
                pace.wait().as_secs()
            })
            .collect();
        assert_eq!(waits, [128, 256, 512, 1024, 1024, 1024]);
        pace.adjusted(50_000);
        assert_eq!(pace.wait().as_secs(), 1024);
        pace.adjusted(-18_000_000_000);
        assert_eq!((pace.wait().as_secs(), pace.poll()), (64, 6));
    }

    #[test]
    fn failures_are_tried_again_soon_and_then_each_minute() {
        let mut pace = Pace::default();
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                pace.failed();
                pace.wait().as_secs()
            })
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 64, 64]);
        pace.adjusted(0);
        pace.failed();
        assert_eq!(pace.wait().as_secs(), 2);
    }
}
