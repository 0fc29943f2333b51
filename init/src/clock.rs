//! The clocks PID 1 reads.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Time since boot, suspend included: CLOCK_BOOTTIME (clock_gettime(2)), the supervisor's `Time`.
#[must_use]
pub fn boottime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// In whole microseconds, as the journal and control replies have it.
#[must_use]
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// `48.7`: milliseconds with one decimal. Integers only: formatting floats costs PID 1 15 KB.
#[must_use]
pub fn millis(time: Duration) -> String {
    let tenths = time.as_micros() / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `1.73`: seconds with two decimals.
#[must_use]
pub fn seconds(time: Duration) -> String {
    let hundredths = time.as_millis() / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_not_rounded() {
        let time = Duration::from_micros(1_009_960);
        assert_eq!(
            (millis(time), seconds(time)),
            ("1009.9".into(), "1.00".into())
        );
    }
}
