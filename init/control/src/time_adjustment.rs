//! `io.orlop.time.Adjust`: what a time service asks PID 1 to make of the clock.

use serde::{Deserialize, Serialize};

/// How wrong the clock is. Whether the machine does anything about it is PID 1's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeAdjustment {
    /// Microseconds from what CLOCK_REALTIME reads to the right time: positive when it is late.
    pub offset_us: i64,
    /// Until the next adjustment, as the logarithm of its seconds (the poll exponent of RFC 5905).
    pub poll: u8,
}
