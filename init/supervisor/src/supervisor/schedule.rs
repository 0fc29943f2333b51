//! Schedules: when a service is started by the clock, and what becomes of times that come during a
//! run, or come too late.

use std::time::Duration;

use orlop_config::{Missed, Overlap, Schedule, Trigger};

use super::Supervisor;
use crate::graph::Units;
use crate::timers::Timer;
use crate::unit::{Ending, Id, Phase, Why};
use crate::{Time, cause};

/// A time noticed so much later than it was due has been missed: the machine slept, or its clock
/// jumped over it.
const LATE: Duration = Duration::from_secs(60);
/// When the clock goes back by no more than this, what it repeats is not run again. What goes back
/// further was wrong before.
const REPEATED: Duration = Duration::from_secs(3600);
const RESTARTED: &str = "restarted by its schedule";

/// What the schedules know of the clock.
#[derive(Debug, Clone)]
pub(super) struct Schedules {
    /// Who has one.
    ids: Vec<Id>,
    /// CLOCK_REALTIME since 1970, and when it read that.
    wall: Option<(Time, Duration)>,
}

impl Schedules {
    pub(super) fn new(units: &Units) -> Self {
        let ids = units.ids();
        Self {
            ids: ids
                .filter(|id| units[*id].plan.schedule.is_some())
                .collect(),
            wall: None,
        }
    }

    /// What the clock reads at that time.
    fn unix(&self, at: Time) -> Option<Duration> {
        let (then, unix) = self.wall?;
        Some(unix.saturating_add(at.saturating_sub(then)))
    }

    /// When the clock will read that, or now.
    fn time(&self, now: Time, unix: u64) -> Option<Time> {
        let ahead = Duration::from_secs(unix).saturating_sub(self.unix(now)?);
        Some(now.saturating_add(ahead))
    }
}

impl Supervisor {
    /// The boot: intervals count from here.
    pub(super) fn begin_schedules(&mut self) {
        for id in self.schedules.ids.clone() {
            if !self.units[id].suspended {
                self.plan_next(id, None);
            }
        }
    }

    /// The clock is known, or has jumped: what it jumped over was missed, the rest is due at another
    /// time of ours.
    pub(super) fn wall_clock(&mut self, unix: Duration) {
        self.schedules.wall = Some((self.now, unix));
        for id in self.schedules.ids.clone() {
            let unit = &self.units[id];
            if unit.suspended || !self.boot.started() {
                continue;
            }
            let missed = unit
                .status
                .next_run
                .filter(|_| unit.plan.schedule.as_ref().is_some_and(by_clock))
                .filter(|due| Duration::from_secs(*due) <= unix);
            match missed {
                Some(due) => {
                    self.run_due(id, unix.saturating_sub(Duration::from_secs(due)));
                    self.plan_next(id, None);
                }
                None => self.plan_next(id, self.units[id].timers.get(Timer::Schedule)),
            }
        }
    }

    /// A start puts a schedule in force that a stop had suspended.
    pub(super) fn resume_schedule(&mut self, id: Id) {
        if std::mem::take(&mut self.units[id].suspended) && self.boot.started() {
            self.plan_next(id, None);
        }
    }

    /// Nothing is started by the clock until [`Supervisor::resume_schedule`].
    pub(super) fn rest_schedule(&mut self, id: Id) {
        self.set_timer(id, Timer::Schedule, None);
        let unit = &mut self.units[id];
        unit.status.next_run = None;
        unit.suspended = true;
        unit.queued = false;
    }

    /// The timer: the schedule was due then.
    pub(super) fn schedule_due(&mut self, id: Id, at: Time) {
        self.run_due(id, self.now.saturating_sub(at));
        let interval = match self.units[id].plan.schedule.as_ref().map(|s| &s.trigger) {
            Some(Trigger::Every(interval)) => Some(*interval),
            Some(Trigger::Cron(_)) | None => None,
        };
        // Counted from when it was due, so that an interval does not drift.
        let next = interval.map(|interval| at.saturating_add(interval));
        self.plan_next(id, next.filter(|next| *next > self.now));
    }

    /// Sets the timer to the next time; of an interval, to `kept` if that is still to come.
    fn plan_next(&mut self, id: Id, kept: Option<Time>) {
        let unit = &self.units[id];
        let Some(schedule) = &unit.plan.schedule else {
            return;
        };
        let (at, unix) = match &schedule.trigger {
            Trigger::Every(interval) => {
                let least = Duration::from_secs(1);
                let at = kept.unwrap_or_else(|| self.now.saturating_add((*interval).max(least)));
                (Some(at), self.schedules.unix(at).map(|unix| unix.as_secs()))
            }
            Trigger::Cron(_) => {
                let next = self.schedules.unix(self.now).and_then(|now| {
                    let repeats = |due: &u64| {
                        let back = Duration::from_secs(*due).saturating_sub(now);
                        back <= REPEATED
                    };
                    let past = unit.last_due.filter(repeats).unwrap_or(0);
                    schedule.next(now.as_secs().max(past))
                });
                (
                    next.and_then(|next| self.schedules.time(self.now, next)),
                    next,
                )
            }
        };
        self.set_timer(id, Timer::Schedule, at);
        self.units[id].status.next_run = unix;
    }

    fn run_due(&mut self, id: Id, late: Duration) {
        let unit = &mut self.units[id];
        unit.last_due = unit.status.next_run.or(unit.last_due);
        let Some(schedule) = &unit.plan.schedule else {
            return;
        };
        if late > LATE && schedule.missed == Missed::Skip {
            return;
        }
        let overlap = schedule.overlap;
        match unit.phase {
            Phase::Down | Phase::Remains | Phase::Failed { .. } => self.run_now(id),
            Phase::Starting | Phase::Readying | Phase::Up => match overlap {
                Overlap::Skip => {}
                Overlap::Queue => unit.queued = true,
                Overlap::Restart => self.stop(id, Why::Again, RESTARTED),
            },
            Phase::Ending(ending) => match overlap {
                Overlap::Skip => {}
                Overlap::Queue => unit.queued = true,
                Overlap::Restart => {
                    let again = Ending {
                        why: Why::Again,
                        ..ending
                    };
                    self.enter(id, Phase::Ending(again), RESTARTED);
                }
            },
            // It is about to run.
            Phase::Waiting { .. } | Phase::BackingOff | Phase::Stuck(_) => {}
        }
    }

    /// The run that came during the last one.
    pub(super) fn run_queued(&mut self, id: Id) {
        let unit = &self.units[id];
        let rests = matches!(
            unit.phase,
            Phase::Down | Phase::Remains | Phase::Failed { .. }
        );
        if rests && std::mem::take(&mut self.units[id].queued) {
            self.run_now(id);
        }
    }

    fn run_now(&mut self, id: Id) {
        self.set_timer(id, Timer::Phase, None);
        let unit = &mut self.units[id];
        unit.wanted = true;
        unit.in_row = 0;
        unit.retrying = false;
        unit.completed = false;
        self.begin(id, cause::SCHEDULED);
    }
}

/// Whether jumps of the clock matter to it.
fn by_clock(schedule: &Schedule) -> bool {
    matches!(schedule.trigger, Trigger::Cron(_))
}
