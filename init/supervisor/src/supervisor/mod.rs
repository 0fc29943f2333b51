//! The state of all services, and the one function that changes it.

mod life;
mod request;
mod shutdown;
mod start;
mod stop;

use std::collections::{BTreeSet, VecDeque};

use orlop_config::{Service, ServiceName};

use crate::graph::Units;
use crate::restart::Jitter;
use crate::unit::{Id, Phase, Unit};
use crate::{Effect, Event, ServiceStatus, Time, cause};

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
    boot: Boot,
    leaving: Option<Leaving>,
    /// The units' deadlines, soonest first.
    deadlines: BTreeSet<(Time, Id)>,
    /// Units that wait and whose dependencies changed.
    waiting: VecDeque<Id>,
    /// What this step answers.
    effects: Vec<Effect>,
}

impl Supervisor {
    /// All services down and wanted, waiting for [`Event::Boot`]. The services are checked already
    /// (`orlop_config::check`); the seed moves the back-offs by up to 10 %.
    pub fn new<'a>(services: impl Iterator<Item = &'a Service>, seed: u64) -> Self {
        Self {
            units: Units::new(services.map(Unit::new)),
            jitter: Jitter::new(seed),
            now: Time::ZERO,
            lives: 0,
            boot: Boot::NotYet,
            leaving: None,
            deadlines: BTreeSet::new(),
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
        match event {
            Event::Boot => self.boot(),
            Event::Launched { service, pid } => self.with(&service, |s, id| s.launched(id, pid)),
            Event::LaunchFailed { service, reason } => {
                self.with(&service, |s, id| s.launch_failed(id, reason));
            }
            Event::MainExited { service, status } => {
                self.with(&service, |s, id| s.main_exited(id, status));
            }
            Event::CgroupEmpty { service } => self.with(&service, Self::cgroup_empty),
            // Not acted on yet.
            Event::Notice { .. }
            | Event::ProbeDone { .. }
            | Event::OomKilled { .. }
            | Event::Resource { .. }
            | Event::WallClock { .. }
            | Event::Deadline => {}
            Event::Request { request, id } => self.request(&request, id),
            Event::Shutdown(kind) => self.shut_down(kind),
        }
        self.propagate();
        self.expire();
        self.boot_complete();
        self.shutdown_complete();
        std::mem::take(&mut self.effects)
    }

    /// When to call [`Supervisor::step`] with [`Event::Deadline`] at the latest; always after the
    /// last step's `now`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let unit = self.deadlines.first().map(|(at, _)| *at);
        [unit, self.boot.deadline()].into_iter().flatten().min()
    }

    /// One service's status.
    #[must_use]
    pub fn status(&self, name: &ServiceName) -> Option<&ServiceStatus> {
        self.units.id(name).map(|id| &self.units[id].status)
    }

    /// Every service's status, in the order of the names.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceName, &ServiceStatus)> {
        self.units.iter().map(|unit| (&unit.name, &unit.status))
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

    /// Deals with every deadline that is over.
    fn expire(&mut self) {
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > self.now {
                return;
            }
            self.set_deadline(id, None);
            self.deadline(id);
            self.propagate();
        }
    }

    fn deadline(&mut self, id: Id) {
        match self.units[id].phase {
            Phase::BackingOff => self.retry(id, None),
            Phase::Starting => self.launch_overdue(id),
            Phase::Ending(ending) if ending.killed => self.stuck(id, ending),
            Phase::Ending(ending) => self.grace_over(id, ending),
            Phase::Stuck(_) => self.still_stuck(id),
            Phase::Waiting { .. } | Phase::Up | Phase::Down | Phase::Failed { .. } => {}
        }
    }

    fn set_deadline(&mut self, id: Id, at: Option<Time>) {
        let before = std::mem::replace(&mut self.units[id].deadline, at);
        if let Some(before) = before {
            self.deadlines.remove(&(before, id));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, id));
        }
    }

    /// The one place that changes a phase: says a change of the public state, and tells those who
    /// wait for this service, the boot and the shutdown.
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

    /// How a person reads why a running service was asked to end.
    fn stop_cause(&self) -> &'static str {
        match self.leaving {
            Some(_) => cause::SHUTDOWN,
            None => cause::STOPPED,
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
