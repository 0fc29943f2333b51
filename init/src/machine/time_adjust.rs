//! `io.orlop.time.Adjust`: how much PID 1 lets a time service do to the clock. What the service says
//! comes from the network in the end; so the clock goes far only while the kernel holds it for
//! unsynchronised (nobody has set it, or for nine hours nobody has said that it is right: so a machine
//! that was paused finds back), never to before the image was made, and otherwise no faster than
//! [`SlewLimit`] lets it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use orlop_control::TimeAdjustment;
use orlop_sys::clock::{self, Correction};

use super::slew_limit::{Clocks, SlewLimit};

/// What the kernel's phase-locked loop takes at once: MAXPHASE, half a second.
const SLEWED_US: u64 = 500_000;
/// A clock this long after the image was made is wrong: twenty years, in seconds.
const LATEST_S: u64 = 20 * 31_556_952;

/// Why the clock stays as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AdjustError {
    /// Nobody could have made this image then.
    #[error("offset_us leads to a time before the image was made")]
    TooEarly,
    /// No image runs for so long.
    #[error("offset_us leads to a time twenty years after the image was made")]
    TooLate,
    /// The clock was right a moment ago.
    #[error("offset_us is over half a second, and the clock is synchronised")]
    Synchronised,
    /// It was slewed as far as it may be for now.
    #[error("offset_us leads over 1.8 s away from where the clock was in this hour")]
    TooFast,
    /// adjtimex(2) refuses.
    #[error("setting the clock: {0:?}")]
    Kernel(Errno),
}

/// Sets the clock right, by a step or little by little, and has the kernel hold it for synchronised.
pub(super) fn adjust(
    adjustment: TimeAdjustment,
    epoch: u64,
    limit: &mut SlewLimit,
) -> Result<(), AdjustError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let real = now.unwrap_or_default();
    let raw = clock::raw();
    let correction = plan(adjustment, real, epoch, clock::is_synchronised())?;
    match correction {
        Correction::Step { .. } => limit.restart(),
        Correction::Slew { offset_us, .. } => {
            if !limit.allows(Clocks { real, raw }, offset_us) {
                return Err(AdjustError::TooFast);
            }
        }
    }
    clock::correct(correction).map_err(AdjustError::Kernel)
}

fn plan(
    adjustment: TimeAdjustment,
    now: Duration,
    epoch: u64,
    synchronised: bool,
) -> Result<Correction, AdjustError> {
    let offset_us = adjustment.offset_us;
    let by = Duration::from_micros(offset_us.unsigned_abs());
    let then = if offset_us < 0 {
        now.checked_sub(by)
    } else {
        now.checked_add(by)
    };
    let then = then.ok_or(AdjustError::TooEarly)?.as_secs();
    if then < epoch {
        return Err(AdjustError::TooEarly);
    }
    if then - epoch > LATEST_S {
        return Err(AdjustError::TooLate);
    }
    if offset_us.unsigned_abs() <= SLEWED_US {
        let poll = adjustment.poll;
        return Ok(Correction::Slew { offset_us, poll });
    }
    if synchronised {
        return Err(AdjustError::Synchronised);
    }
    Ok(Correction::Step { offset_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 1_700_000_000;
    const NOW: u64 = EPOCH + 1000;

    fn said(offset_us: i64, synchronised: bool) -> Result<Correction, AdjustError> {
        let adjustment = TimeAdjustment { offset_us, poll: 6 };
        plan(adjustment, Duration::from_secs(NOW), EPOCH, synchronised)
    }

    #[test]
    fn a_little_is_slewed_at_any_time() {
        for offset_us in [0, 1, -1, 500_000, -500_000] {
            for synchronised in [false, true] {
                let slew = Correction::Slew { offset_us, poll: 6 };
                assert_eq!(said(offset_us, synchronised), Ok(slew));
            }
        }
    }

    #[test]
    fn much_is_a_step_while_nobody_has_set_the_clock() {
        for offset_us in [
            500_001,
            -500_001,
            -1_000_000_000,
            3600 * 24 * 365 * 1_000_000,
        ] {
            assert_eq!(said(offset_us, false), Ok(Correction::Step { offset_us }));
            assert_eq!(said(offset_us, true), Err(AdjustError::Synchronised));
        }
    }

    #[test]
    fn the_absurd_is_refused_always() {
        for synchronised in [false, true] {
            for offset_us in [-1_001_000_000, i64::MIN, -(NOW as i64) * 1_000_000] {
                assert_eq!(said(offset_us, synchronised), Err(AdjustError::TooEarly));
            }
            for offset_us in [i64::MAX, 21 * 31_556_952 * 1_000_000] {
                assert_eq!(said(offset_us, synchronised), Err(AdjustError::TooLate));
            }
        }
    }
}
