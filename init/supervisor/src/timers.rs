//! What is due when: one ordered set for all services, so that the next is found and any is moved
//! without looking at the others.

use std::collections::BTreeSet;

use crate::Time;
use crate::unit::Id;

/// What a unit may wait for. Of each there is at most one a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// What the phase is bounded by.
    Phase,
    /// Its health: the next probe, or the end of the one under way.
    Health,
    /// The watchdog.
    Watchdog,
    /// The schedule.
    Schedule,
}

/// A unit's own timers, by [`Timer`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timers {
    phase: Option<Time>,
    health: Option<Time>,
    watchdog: Option<Time>,
    schedule: Option<Time>,
}

impl Timers {
    /// When it is due.
    pub(crate) fn get(&self, timer: Timer) -> Option<Time> {
        match timer {
            Timer::Phase => self.phase,
            Timer::Health => self.health,
            Timer::Watchdog => self.watchdog,
            Timer::Schedule => self.schedule,
        }
    }

    fn slot(&mut self, timer: Timer) -> &mut Option<Time> {
        match timer {
            Timer::Phase => &mut self.phase,
            Timer::Health => &mut self.health,
            Timer::Watchdog => &mut self.watchdog,
            Timer::Schedule => &mut self.schedule,
        }
    }
}

/// All units' timers, soonest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agenda(BTreeSet<(Time, Id, Timer)>);

impl Agenda {
    /// Sets, moves or removes one; `own` are that unit's timers.
    pub(crate) fn set(&mut self, id: Id, own: &mut Timers, timer: Timer, at: Option<Time>) {
        let before = std::mem::replace(own.slot(timer), at);
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.0.remove(&(before, id, timer));
        }
        if let Some(at) = at {
            self.0.insert((at, id, timer));
        }
    }

    /// The soonest.
    pub(crate) fn first(&self) -> Option<(Time, Id, Timer)> {
        self.0.first().copied()
    }
}
