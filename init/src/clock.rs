//! The clocks PID 1 reads.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Time since boot, suspend included: CLOCK_BOOTTIME (clock_gettime(2)), the supervisor's `Time`.
#[must_use]
pub fn boottime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}
