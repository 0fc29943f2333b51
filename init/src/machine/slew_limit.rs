//! How far the clock may be slewed: NTP's 500 ppm (RFC 5905, section 11.3), of each hour. Pure.
//!
//! One slew is at most half a second, but a time service asks for as many as it likes, and the last one
//! may not be done when the next one comes. So what counts is how far CLOCK_REALTIME has gone from
//! CLOCK_MONOTONIC_RAW, which nobody sets, and what is asked on top of it.

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
/// 500 ppm of an hour, in microseconds.
const LIMIT_US: i64 = 1_800_000;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    /// CLOCK_REALTIME, since 1970.
    pub(super) real: Duration,
    /// CLOCK_MONOTONIC_RAW.
    pub(super) raw: Duration,
}

impl Clocks {
    /// How far the one is before the other, in microseconds.
    fn apart_us(self) -> i64 {
        let us = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        us(self.real).saturating_sub(us(self.raw))
    }
}

/// Where the clock was when the hour began.
#[derive(Debug, Default)]
pub(super) struct SlewLimit {
    began: Option<Clocks>,
}

impl SlewLimit {
    /// Whether the clock may be slewed by so much more now.
    pub(super) fn allows(&mut self, now: Clocks, offset_us: i64) -> bool {
        let began = match self.began {
            Some(began) if now.raw.saturating_sub(began.raw) < HOUR => began,
            _ => now,
        };
        self.began = Some(began);
        let gone = now.apart_us().saturating_sub(began.apart_us());
        gone.saturating_add(offset_us).unsigned_abs() <= LIMIT_US.unsigned_abs()
    }

    /// The clock was set; from there it counts anew.
    pub(super) fn restart(&mut self) {
        self.began = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many seconds after the boot, the clock having gone so many microseconds further than it
    /// should.
    fn at(seconds: u64, gone_us: i64) -> Clocks {
        let raw = Duration::from_secs(seconds);
        let set = Duration::from_secs(1_700_000_000) + raw;
        let gone = Duration::from_micros(gone_us.unsigned_abs());
        let real = if gone_us < 0 { set - gone } else { set + gone };
        Clocks { real, raw }
    }

    #[test]
    fn slews_without_end_go_no_farther_than_the_limit_in_an_hour() {
        for sign in [1, -1] {
            let mut limit = SlewLimit::default();
            let mut gone = 0;
            let mut hours = Vec::new();
            for second in 0..3 * 3600 {
                // All of it is done by the next one: no kernel is faster.
                if limit.allows(at(second, gone * sign), 100_000 * sign) {
                    gone += 100_000;
                }
                if second % 3600 == 3599 {
                    hours.push(gone);
                }
            }
            assert_eq!(hours, [1_800_000, 3_600_000, 5_400_000]);
        }
    }

    #[test]
    fn what_is_asked_again_because_it_is_not_done_counts_once() {
        let mut limit = SlewLimit::default();
        // Half a second, of which a quarter is done until the next question.
        let mut left: i64 = 500_000;
        for question in 0..60 {
            assert!(limit.allows(at(question * 64, 500_000 - left), left));
            left -= left / 4;
        }
    }

    #[test]
    fn who_has_gone_too_far_may_go_back() {
        let mut limit = SlewLimit::default();
        assert!(limit.allows(at(0, 0), 500_000));
        assert!(!limit.allows(at(60, 1_700_000), 200_000));
        assert!(limit.allows(at(60, 1_700_000), -500_000));
    }

    #[test]
    fn a_step_and_a_clock_that_was_stopped_begin_anew() {
        let mut limit = SlewLimit::default();
        assert!(limit.allows(at(0, 0), 0));
        let day = 86_400_000_000;
        assert!(!limit.allows(at(60, day), 0));
        limit.restart();
        assert!(limit.allows(at(60, day), 500_000));
        // Nobody told of this one: it is forgotten with the hour.
        assert!(!limit.allows(at(120, -day), 0));
        assert!(limit.allows(at(3660, -day), 0));
    }
}
