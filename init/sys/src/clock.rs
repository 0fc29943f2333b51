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

/// CLOCK_MONOTONIC_RAW: what the hardware counts, which no time service makes faster or slower. Zero
/// were the clock missing, which no supported kernel has.
#[must_use]
pub fn raw() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC_RAW).map_or(Duration::ZERO, Duration::from)
}

/// Whether the kernel holds CLOCK_REALTIME for synchronised with an outer clock (adjtimex(2)): some
/// time service has said so, less than 32,000 s ago (NTP_PHASE_LIMIT at MAXFREQ), which is nine hours.
#[must_use]
pub fn is_synchronised() -> bool {
    // SAFETY: timex is plain old data; modes 0 only asks.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is a live, writable timex.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    answer >= 0 && answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0
}

/// What is to become of CLOCK_REALTIME, which is this many microseconds late, or early when negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// Little by little, by the kernel's phase-locked loop: half a second at the most.
    Slew {
        /// How late.
        offset_us: i64,
        /// The logarithm of the seconds until the next correction, which the loop is to be as slow as:
        /// 6 to 10, of anything else the nearest. Below, the loop would take the clock farther in a
        /// second than any honest one is off; above, the kernel knows none (MAXTC).
        poll: u8,
    },
    /// At once.
    Step {
        /// How late.
        offset_us: i64,
    },
}

/// What adjtimex(2) wants for a poll exponent: without ADJ_NANO the kernel adds 4.
fn time_constant(poll: u8) -> i64 {
    i64::from(poll.clamp(6, 10)) - 4
}

/// Corrects CLOCK_REALTIME; from then on the kernel holds it for synchronised, until nobody has for
/// hours (adjtimex(2)).
///
/// # Errors
/// The errno of adjtimex(2).
pub fn correct(correction: Correction) -> Result<(), Errno> {
    // SAFETY: timex is plain old data.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    state.modes = libc::ADJ_STATUS | libc::ADJ_MAXERROR | libc::ADJ_ESTERROR;
    state.status = libc::STA_PLL;
    match correction {
        Correction::Slew { offset_us, poll } => {
            state.modes |= libc::ADJ_OFFSET | libc::ADJ_TIMECONST;
            state.offset = offset_us;
            state.constant = time_constant(poll);
        }
        Correction::Step { offset_us } => {
            state.modes |= libc::ADJ_SETOFFSET;
            state.time.tv_sec = offset_us.div_euclid(1_000_000);
            state.time.tv_usec = offset_us.rem_euclid(1_000_000);
        }
    }
    // SAFETY: `state` is a live, writable timex.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    Errno::result(answer).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_is_neither_faster_nor_slower_than_ntp_polls() {
        let polls = [0, 5, 6, 8, 10, 11, 255];
        assert_eq!(polls.map(time_constant), [2, 2, 2, 4, 6, 6, 6]);
    }
}
