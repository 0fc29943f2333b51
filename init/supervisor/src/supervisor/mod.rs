//! The state of all services, and the one function that changes it.

mod end;
mod failure;
mod health;
mod hold;
mod life;
mod needs;
mod notice;
mod oom;
mod propagation;
mod ready;
mod request;
mod schedule;
mod shutdown;
mod start;
mod stop;
mod watchdog;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use orlop_config::{Need, Service, ServiceName};

use crate::graph::Units;
use crate::restart::Jitter;
use crate::timers::{Agenda, Timer};
use crate::unit::{Id, KILL_BOUND, Phase, Unit};
use crate::{Effect, Event, Kept, ServiceStatus, Stopping, Time};

use schedule::Schedules;
use shutdown::Leaving;
use start::Boot;

/// All services: what is wanted of each, what is known of each, and what is due.
///
/// Fed by PID 1 with one [`Event`] at a time; see the crate's documentation for the model.
#[derive(Debug, Clone)]
pub struct Supervisor {
    units: Units,
    jitter: Jitter,
    /// The latest `now` of a step; never goes back.
    now: Time,
    /// Launches so far.
    lives: u64,
    /// Probes so far.
    probes: u64,
    boot: Boot,
    leaving: Option<Leaving>,
    /// The units' timers, soonest first.
    agenda: Agenda,
    /// What the machine has.
    present: BTreeSet<Need>,
    /// Devices that it was told not to have: nobody knows when one comes.
    missing: BTreeSet<Need>,
    /// Who needs it.
    needed_by: BTreeMap<Need, Vec<Id>>,
    schedules: Schedules,
    /// Units that wait and whose dependencies changed.
    waiting: VecDeque<Id>,
    /// What this step answers.
    effects: Vec<Effect>,
}

impl Supervisor {
    /// All services down, waiting for [`Event::Boot`]. The services are checked already
    /// (`orlop_config::check`); the seed moves the back-offs by up to 10 %.
    pub fn new<'a>(services: impl Iterator<Item = &'a Service>, seed: u64) -> Self {
        let units = Units::new(services);
        let mut needed_by: BTreeMap<Need, Vec<Id>> = BTreeMap::new();
        for id in units.ids() {
            for need in &units[id].plan.needs {
                needed_by.entry(need.clone()).or_default().push(id);
            }
        }
        Self {
            schedules: Schedules::new(&units),
            units,
            jitter: Jitter::new(seed),
            now: Time::ZERO,
            lives: 0,
            probes: 0,
            boot: Boot::NotYet,
            leaving: None,
            agenda: Agenda::default(),
            present: BTreeSet::new(),
            missing: BTreeSet::new(),
            needed_by,
            waiting: VecDeque::new(),
            effects: Vec::new(),
        }
    }

    /// Takes one event and says what to do, in this order. An event about a service that does not
    /// exist, or that its state cannot have caused, changes nothing. Whatever the event, all
    /// deadlines up to `now` are dealt with, after it: a fact that came in time wins over its bound.
    #[must_use = "the effects are to be performed"]
    pub fn step(&mut self, event: Event, now: Time) -> Vec<Effect> {
        self.now = self.now.max(now);
        self.take(event);
        self.propagate();
        self.expire();
        self.boot_complete();
        self.shutdown_complete();
        std::mem::take(&mut self.effects)
    }

    /// When to call [`Supervisor::step`] with [`Event::Deadline`] at the latest; always after the
    /// last step's `now`. `None` when nothing is due: there is no tick.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let unit = self.agenda.first().map(|(at, ..)| at);
        [unit, self.boot.deadline()].into_iter().flatten().min()
    }

    /// One service's status.
    #[must_use]
    pub fn status(&self, name: &ServiceName) -> Option<&ServiceStatus> {
        self.units.id(name).map(|id| &self.units[id].status)
    }

    /// What is kept of a service beside its status: whether it shall be up, and what is due when. For
    /// PID 1's journal.
    #[must_use]
    pub fn kept(&self, name: &ServiceName) -> Option<Kept> {
        let unit = &self.units[self.units.id(name)?];
        let due = |timer| unit.timers.get(timer);
        Some(Kept {
            wanted: unit.wanted,
            phase: due(Timer::Phase),
            health: due(Timer::Health),
            watchdog: due(Timer::Watchdog),
            schedule: due(Timer::Schedule),
        })
    }

    /// How far the stop of a service is that stops.
    #[must_use]
    pub fn stopping(&self, name: &ServiceName) -> Option<Stopping> {
        let unit = &self.units[self.units.id(name)?];
        let Phase::Ending(ending) = unit.phase else {
            return None;
        };
        let bound = unit.timers.get(Timer::Phase)?;
        Some(match ending.killed {
            true => Stopping::KilledAt(bound.saturating_sub(KILL_BOUND)),
            false => Stopping::Until(bound),
        })
    }

    /// Every service's status, in the order of the names.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceName, &ServiceStatus)> {
        self.units.iter().map(|unit| (&unit.name, &unit.status))
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Boot => self.boot(),
            Event::Launched { service, pid } => self.with(&service, |s, id| s.launched(id, pid)),
            Event::LaunchFailed { service, reason } => {
                self.with(&service, |s, id| s.launch_failed(id, reason));
            }
            Event::LaunchWaits {
                service,
                life,
                bound,
            } => self.with(&service, |s, id| s.launch_waits(id, life, bound)),
            Event::MainExited { service, status } => {
                self.with(&service, |s, id| s.main_exited(id, status));
            }
            Event::CgroupEmpty { service } => self.with(&service, Self::cgroup_empty),
            Event::Notice {
                service,
                life,
                notice,
            } => self.with(&service, |s, id| s.notice(id, life, notice)),
            Event::ReadOut { service, life } => self.with(&service, |s, id| s.read_out(id, life)),
            Event::ProbeDone {
                service,
                life,
                serial,
                result,
            } => self.with(&service, |s, id| s.probe_done(id, life, serial, result)),
            Event::OomKilled {
                service,
                life,
                count,
            } => self.with(&service, |s, id| s.oom_killed(id, life, count)),
            Event::Resource { need, present } => self.resource(need, present),
            Event::WallClock { unix } => self.wall_clock(unix),
            Event::Deadline => {}
            Event::Request { request, id } => self.request(&request, id),
            Event::Shutdown(kind) => self.shut_down(kind),
        }
    }

    fn with(&mut self, name: &ServiceName, act: impl FnOnce(&mut Self, Id)) {
        if let Some(id) = self.units.id(name) {
            act(self, id);
        }
    }

    /// Lets changes reach those that wait for them, until nothing changes any more. Ends, because a
    /// change only travels from a service to its dependents and there are no cycles.
    fn propagate(&mut self) {
        while let Some(id) = self.waiting.pop_front() {
            if self.waits(id) {
                self.begin(id, "dependencies are met");
            }
        }
    }

    /// Deals with every timer that is over.
    fn expire(&mut self) {
        while let Some((at, id, timer)) = self.agenda.first() {
            if at > self.now {
                return;
            }
            self.set_timer(id, timer, None);
            match timer {
                Timer::Phase => self.phase_over(id),
                Timer::Health => self.health_due(id),
                Timer::Watchdog => self.watchdog_expired(id),
                Timer::Schedule => self.schedule_due(id, at),
            }
            self.propagate();
        }
    }

    fn phase_over(&mut self, id: Id) {
        match self.units[id].phase {
            Phase::BackingOff | Phase::Failed { .. } => self.retry(id, None),
            Phase::Waiting { .. } => self.begin(id, "dependencies are met"),
            Phase::Starting => self.launch_overdue(id),
            Phase::Readying => self.start_overdue(id),
            Phase::Ending(ending) if ending.killed => self.stuck(id, ending),
            Phase::Ending(ending) => self.grace_over(id, ending),
            Phase::Stuck(_) => self.still_stuck(id),
            Phase::Up | Phase::Remains | Phase::Down => {}
        }
    }

    fn set_timer(&mut self, id: Id, timer: Timer, at: Option<Time>) {
        self.agenda.set(id, &mut self.units[id].timers, timer, at);
    }

    /// What bounds the phase.
    fn set_deadline(&mut self, id: Id, at: Option<Time>) {
        self.set_timer(id, Timer::Phase, at);
    }

    /// The one place that changes a phase: says a change of the public state, ends what belongs to a
    /// running process, and tells those who wait for this service, the boot and the shutdown.
    fn enter(&mut self, id: Id, phase: Phase, cause: impl Into<String>) {
        let unit = &mut self.units[id];
        let cause = cause.into();
        let state = phase.state();
        let view = (unit.phase, unit.stalled());
        // A stuck service that turns out to be merely failed is news.
        let unstuck = matches!(unit.phase, Phase::Stuck(_)) && !matches!(phase, Phase::Stuck(_));
        unit.phase = phase;
        if unit.status.state != state || unstuck {
            unit.status.state = state;
            unit.status.since = self.now;
            self.effects.push(Effect::StateChanged {
                service: unit.name.clone(),
                state,
                cause: cause.clone(),
            });
        }
        unit.status.cause = cause;
        if view != (phase, unit.stalled()) {
            self.tell_dependents(id);
        }
        if view.0.runs() && !phase.runs() {
            self.end_checkup(id);
            self.disarm_watchdog(id);
        }
        self.note_settled(id);
        self.note_gone(id);
    }

    fn tell_dependents(&mut self, id: Id) {
        let waiting = self.units[id].dependents.iter().copied();
        self.waiting
            .extend(waiting.filter(|dependent| waits(&self.units[*dependent])));
    }

    fn waits(&self, id: Id) -> bool {
        self.boot.started() && self.leaving.is_none() && waits(&self.units[id])
    }

    /// Nothing of it runs and nothing is due: its namespaces can go.
    fn release(&mut self, id: Id) {
        let unit = &mut self.units[id];
        if std::mem::take(&mut unit.held) {
            self.effects.push(Effect::Release {
                service: unit.name.clone(),
            });
        }
    }
}

fn waits(unit: &Unit) -> bool {
    matches!(
        unit.phase,
        Phase::Waiting { .. }
            | Phase::Failed {
                by_dependency: true
            }
    )
}

#[cfg(test)]
mod tests;
