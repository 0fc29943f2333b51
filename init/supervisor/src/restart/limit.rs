//! `start_limit`: so many automatic restarts within an interval, and no more.

use orlop_config::StartLimit;
use std::collections::VecDeque;

use crate::Time;

/// When the last automatic restarts were. What a person asks for is not among them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window(VecDeque<Time>);

impl Window {
    /// Forgets all: a person began anew.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Notes a restart. Keeps no more than the limit needs.
    pub(crate) fn note(&mut self, limit: StartLimit, at: Time) {
        self.0.push_back(at);
        while self.0.front().is_some_and(|t| is_old(limit, *t, at)) {
            self.0.pop_front();
        }
    }

    /// Whether one more restart at that time would be one too many.
    pub(crate) fn is_full(&self, limit: StartLimit, at: Time) -> bool {
        let within = self.0.iter().filter(|t| !is_old(limit, **t, at));
        within.count() >= usize::try_from(limit.burst).unwrap_or(usize::MAX)
    }
}

fn is_old(StartLimit { interval, .. }: StartLimit, restart: Time, at: Time) -> bool {
    restart.saturating_add(interval) <= at
}

impl Window {
    /// How many restarts are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    #[test]
    fn the_window_moves() {
        let limit = StartLimit {
            burst: 2,
            interval: SEC * 10,
            retry_after: None,
        };
        let mut window = Window::default();
        assert!(!window.is_full(limit, SEC));
        window.note(limit, SEC);
        assert!(!window.is_full(limit, SEC * 2));
        window.note(limit, SEC * 4);
        assert!(window.is_full(limit, SEC * 4));
        assert!(window.is_full(limit, Duration::from_millis(10_999)));
        assert!(!window.is_full(limit, SEC * 11));
        window.note(limit, SEC * 11);
        assert_eq!(window.len(), 2, "what is old is forgotten");
        assert!(window.is_full(limit, SEC * 13));
        window.clear();
        assert!(!window.is_full(limit, SEC * 13));
    }
}
