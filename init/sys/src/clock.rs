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

/// Whether the kernel holds CLOCK_REALTIME for synchronised with an outer clock (adjtimex(2)): some
/// time service has said so, and not too long ago.
#[must_use]
pub fn is_synchronised() -> bool {
    // SAFETY: timex is plain old data; modes 0 only asks.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is a live, writable timex.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    answer >= 0 && answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0
}
