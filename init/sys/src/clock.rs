//! The machine's clocks (clock_settime(2), clock_gettime(2)).

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

/// Sets CLOCK_REALTIME to this time since 1970.
///
/// # Errors
/// The errno of clock_settime(2).
pub fn set(since_epoch: Duration) -> Result<(), Errno> {
    clock_settime(
        ClockId::CLOCK_REALTIME,
        TimeSpec::from_duration(since_epoch),
    )
}

/// CLOCK_BOOTTIME: time since boot, suspend included. Zero were the clock missing, which no
/// supported kernel has.
#[must_use]
pub fn boottime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}
