//! One deadline over many system calls: a server that drips bytes gains no time by it.

use std::time::{Duration, Instant};

/// The moment when it is too late.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    start: Instant,
    limit: Duration,
}

impl Deadline {
    /// So much from now on.
    pub(super) fn after(limit: Duration) -> Self {
        Self {
            start: Instant::now(),
            limit,
        }
    }

    /// What is left of it, if anything is: a timeout of zero would mean "none" to the kernel.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.limit.saturating_sub(self.start.elapsed());
        (!left.is_zero()).then_some(left)
    }
}
