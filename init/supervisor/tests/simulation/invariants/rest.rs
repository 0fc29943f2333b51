//! Once the world has calmed down, every service is where it should be.

use orlop_config::{Condition, Service};
use orlop_supervisor::{Health, Request, ServiceState, Supervisor};

use super::{Invariants, Seen, Verdict, ensure};

impl Invariants {
    pub(crate) fn at_rest(&self, supervisor: &Supervisor) -> Verdict {
        if self.shutdown.is_some() {
            return Ok(());
        }
        self.none_forgotten()?;
        for (id, service) in self.services.iter().enumerate() {
            // What the clock starts may just be at it, and who waits for that with it.
            if !self.by_the_clock(id) {
                let seen = &self.seen[id];
                let good = self.rests_well(id, service, seen, supervisor);
                ensure(good, || format!("{} rests in {seen:?}", service.name))?;
            }
        }
        ensure(self.boot_complete, || "boot-complete never came".to_owned())
    }

    /// It has a schedule, or something before it has.
    fn by_the_clock(&self, id: usize) -> bool {
        let service = &self.services[id];
        let named = service.depends_on.keys();
        let mut on = named.filter_map(|name| self.ids.get(name).copied());
        service.supervision.schedule.is_some()
            || self.pulled.contains(&id)
            || on.any(|on| self.by_the_clock(on))
            || self.earlier(id).any(|on| self.by_the_clock(on))
    }

    /// What it is ordered after.
    fn earlier(&self, id: usize) -> impl Iterator<Item = usize> {
        let service = &self.services[id];
        let others = self.services.iter().enumerate();
        others.filter_map(|(other_id, other)| {
            let turned = other.supervision.before.contains(&service.name);
            let after = service.supervision.after.contains(&other.name);
            (turned || after).then_some(other_id)
        })
    }

    fn rests_well(
        &self,
        id: usize,
        service: &Service,
        seen: &Seen,
        supervisor: &Supervisor,
    ) -> bool {
        let on = |name| self.ids.get(name).map(|on| &self.seen[*on]);
        match seen.state {
            ServiceState::Up => seen.wanted,
            ServiceState::Down => true,
            ServiceState::Failed => {
                let by_dependency = seen.cause.starts_with("requires ");
                let missing = service.depends_on.iter().any(|(name, dependency)| {
                    let gone = on(name).is_none_or(|on| on.state == ServiceState::Failed);
                    dependency.required && gone
                });
                !seen.stuck && (!by_dependency || missing)
            }
            ServiceState::Waiting => {
                let unmet = service.depends_on.iter().any(|(name, dependency)| {
                    on(name).is_some_and(|on| {
                        let up = on.state == ServiceState::Up || on.completed;
                        match dependency.condition {
                            Condition::Started => !up,
                            Condition::Healthy => !up || !healthy(supervisor, name),
                            Condition::CompletedSuccessfully => !on.completed,
                        }
                    })
                });
                // Which wait in turn, for a job that still runs.
                let mut earlier = self.earlier(id).map(|on| self.seen[on].state);
                let later = earlier.any(|state| state == ServiceState::Waiting);
                let mut needs = service.supervision.needs.iter();
                let lacks = needs.any(|need| !self.present.contains(need));
                seen.wanted && (unmet || later || lacks)
            }
            _ => false,
        }
    }

    /// A start may wait on for nothing but a job that still runs.
    fn none_forgotten(&self) -> Verdict {
        for request in self.open.values() {
            let (Request::Start(name) | Request::Restart(name)) = request else {
                return Err(format!("unanswered at rest: {request:?}"));
            };
            let id = self.ids[name];
            let good = self.by_the_clock(id) || self.waits_for_a_job(id);
            ensure(good, || format!("unanswered at rest: {request:?}"))?;
        }
        Ok(())
    }

    /// What never completes, or is never healthy, is waited for.
    fn waits_for_a_job(&self, id: usize) -> bool {
        let mut edges = self.services[id].depends_on.iter();
        self.seen[id].state == ServiceState::Waiting
            && (self.earlier(id).any(|on| self.waits_for_a_job(on))
                || edges.any(|(on, dependency)| {
                    self.ids.get(on).is_some_and(|on| {
                        let up = self.seen[*on].state == ServiceState::Up;
                        let only_started = dependency.condition == Condition::Started;
                        (up && !only_started) || self.waits_for_a_job(*on)
                    })
                }))
    }
}

fn healthy(supervisor: &Supervisor, name: &orlop_config::ServiceName) -> bool {
    let status = supervisor.status(name).and_then(|s| s.health.as_ref());
    status.is_none_or(|status| status.health == Health::Healthy)
}
