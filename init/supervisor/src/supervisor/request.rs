//! What people and programs ask for: each request gets exactly one reply.

use std::collections::BTreeSet;

use orlop_config::{ServiceName, nearest};

use super::Supervisor;
use crate::unit::{Ending, Id, Pending, Phase, Return, Until, Why};
use crate::{Effect, Request, RequestError, cause};

impl Supervisor {
    pub(super) fn request(&mut self, request: &Request, id: u64) {
        if self.leaving.is_some() {
            self.reply(id, Err(RequestError::ShuttingDown));
            return;
        }
        let name = match request {
            Request::Start(name)
            | Request::Stop(name)
            | Request::Restart(name)
            | Request::Kill(name, _) => name,
        };
        let Some(unit) = self.units.id(name) else {
            let error = self.no_such_service(name);
            self.reply(id, Err(error));
            return;
        };
        match request {
            Request::Start(_) => self.start_request(unit, id),
            Request::Stop(_) => {
                self.superseded(unit, Until::Up, "superseded by stop");
                self.wait_for(unit, id, Until::Down);
                self.end_wanted(unit, cause::STOPPED);
            }
            Request::Restart(_) => self.restart_request(unit, id),
            Request::Kill(_, signal) => {
                if self.units[unit].main_runs() {
                    let service = self.units[unit].name.clone();
                    self.effects.push(Effect::Signal {
                        service,
                        signal: *signal,
                    });
                    self.reply(id, Ok(()));
                } else {
                    self.reply(id, Err(RequestError::NotRunning));
                }
            }
        }
    }

    /// Of what does not run it is a start; of a launch in flight it waits for that launch.
    fn restart_request(&mut self, unit: Id, id: u64) {
        match self.units[unit].phase {
            Phase::Readying | Phase::Up => {
                self.lift(unit);
                self.wait_for(unit, id, Until::Up);
                self.raise_requirements(unit);
                self.units[unit].returns = Some(Return::Requested);
                self.stop(unit, Why::Again, "restarted by request");
            }
            Phase::Remains => {
                self.wait_for(unit, id, Until::Up);
                self.raise_requirements(unit);
                self.units[unit].returns = Some(Return::Requested);
                self.raise(unit);
            }
            Phase::Stuck(_) => self.start_request(unit, id),
            _ => {
                self.units[unit].returns = Some(Return::Requested);
                self.start_request(unit, id);
            }
        }
    }

    fn start_request(&mut self, unit: Id, id: u64) {
        match self.units[unit].phase {
            Phase::Up | Phase::Remains => self.reply(id, Ok(())),
            Phase::Stuck(_) => {
                let error = RequestError::Failed(self.stuck_cause(unit));
                self.reply(id, Err(error));
            }
            _ => {
                self.superseded(unit, Until::Down, "superseded by start");
                self.wait_for(unit, id, Until::Up);
                self.raise_requirements(unit);
                self.raise(unit);
            }
        }
    }

    /// What it requires comes first, so that it is not launched against a stopped one.
    fn raise_requirements(&mut self, unit: Id) {
        for required in self.unmet_requirements(unit) {
            let cause = format!("superseded by start of \"{}\"", self.units[unit].name);
            self.superseded(required, Until::Down, &cause);
            self.raise(required);
        }
    }

    /// All that a service requires, directly or not, and that is not there; a requirement comes
    /// before those that require it.
    pub(super) fn unmet_requirements(&self, unit: Id) -> Vec<Id> {
        let mut seen = BTreeSet::new();
        let mut order = Vec::new();
        let mut open = vec![(unit, false)];
        while let Some((id, visited)) = open.pop() {
            if visited {
                order.push(id);
            } else if seen.insert(id) {
                open.push((id, true));
                let required = self.units[id].edges.iter().filter(|edge| edge.required);
                open.extend(
                    required
                        .filter_map(|edge| edge.on)
                        .filter(|on| self.units[*on].phase != Phase::Up)
                        .filter(|on| !self.units[*on].completed)
                        .map(|on| (on, false)),
                );
            }
        }
        order.retain(|id| *id != unit);
        order
    }

    /// Wanted from now on, with a clean record; begun when nothing of it is under way.
    fn raise(&mut self, id: Id) {
        match self.units[id].phase {
            Phase::Starting | Phase::Readying => self.lift(id),
            Phase::Up | Phase::Stuck(_) => {}
            Phase::Ending(ending) => {
                self.lift(id);
                let again = Ending {
                    why: Why::Again,
                    ..ending
                };
                self.enter(id, Phase::Ending(again), cause::BY_REQUEST);
            }
            Phase::Waiting { .. }
            | Phase::Remains
            | Phase::BackingOff
            | Phase::Down
            | Phase::Failed { .. } => {
                self.lift(id);
                self.set_deadline(id, None);
                let unit = &mut self.units[id];
                unit.completed = false;
                unit.needing = None;
                self.begin(id, cause::BY_REQUEST);
            }
        }
    }

    /// A manual start forgets the failures before it.
    fn lift(&mut self, id: Id) {
        let unit = &mut self.units[id];
        unit.wanted = true;
        unit.in_row = 0;
        unit.retrying = false;
        unit.window.clear();
        unit.status.restarts = 0;
        self.resume_schedule(id);
    }

    pub(super) fn superseded(&mut self, id: Id, until: Until, by: &str) {
        self.answer(id, until, &Err(RequestError::Failed(by.to_owned())));
    }

    fn wait_for(&mut self, unit: Id, id: u64, until: Until) {
        self.units[unit].pending.push(Pending { id, until });
    }

    fn reply(&mut self, id: u64, result: Result<(), RequestError>) {
        self.effects.push(Effect::Reply { id, result });
    }

    fn no_such_service(&self, name: &ServiceName) -> RequestError {
        let names = self.units.iter().map(|unit| unit.name.as_str());
        let near = nearest(name.as_str(), names);
        RequestError::NoSuchService {
            name: name.to_string(),
            nearest: near.and_then(ServiceName::new),
        }
    }
}
