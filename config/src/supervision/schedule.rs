//! `schedule`: when a service is started, and what becomes of runs that cannot be.

use std::time::Duration;

use crate::Cron;

/// `schedule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// When it is due.
    pub trigger: Trigger,
    /// `missed`: what happens to runs that were due while the machine was off or asleep.
    pub missed: Missed,
    /// `overlap`: what happens when it is due while the last run still goes on.
    pub overlap: Overlap,
}

/// When a scheduled service is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A cron expression, in UTC.
    Cron(Cron),
    /// `"every 1h"`: so long after the last time it was due, at least a second; the first time so
    /// long after the boot. Jumps of the clock do not matter to it.
    Every(Duration),
}

/// `schedule.missed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// `"skip"`: the next time is as good.
    #[default]
    Skip,
    /// `"run"`: one run at once for all that were missed.
    Run,
}

/// `schedule.overlap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// `"skip"`: that time is passed over.
    #[default]
    Skip,
    /// `"queue"`: once more right after the end of the run; several become one.
    Queue,
    /// `"restart"`: the run is stopped and started anew.
    Restart,
}

impl Schedule {
    /// The first time later than `after` that it is due, both in seconds since 1970 UTC; `None` when
    /// it never is again.
    #[must_use]
    pub fn next(&self, after: u64) -> Option<u64> {
        match &self.trigger {
            Trigger::Cron(cron) => cron.next(after),
            Trigger::Every(interval) => after.checked_add(interval.as_secs().max(1)),
        }
    }
}
