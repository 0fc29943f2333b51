//! What must hold, kept from the effects alone and judged against the world's truth.

use std::collections::BTreeMap;
use std::time::Duration;

use orlop_config::{Condition, RestartPolicy, Service, ServiceName};
use orlop_supervisor::{Effect, Event, ExitStatus, Request, ServiceState, Supervisor, Time};

use crate::world::World;

/// What the effects and reports so far say of one service.
#[derive(Debug, Clone)]
struct Seen {
    state: ServiceState,
    wanted: bool,
    completed: bool,
    held: bool,
    up_since: Option<Time>,
    /// The last end: when, and whether after a run of 10 s or more.
    ended: Option<(Time, bool)>,
    last_exit: Option<ExitStatus>,
    in_row: u32,
    /// A person asked for a start since the last launch.
    manual: bool,
    /// A process survives the kill: starts are refused.
    stuck: bool,
    cause: String,
}

impl Seen {
    /// Asked to end by a signal, which is no failure.
    fn clean(&self) -> bool {
        self.last_exit == Some(ExitStatus::Signaled(15))
    }
}

pub(crate) struct Invariants {
    services: Vec<Service>,
    ids: BTreeMap<ServiceName, usize>,
    seen: Vec<Seen>,
    open: BTreeMap<u64, Request>,
    booted: Option<Time>,
    boot_complete: bool,
    shutdown: Option<Time>,
    pub(crate) shutdown_complete: bool,
}

type Verdict = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

impl Invariants {
    pub(crate) fn new(services: &[Service]) -> Self {
        let seen = Seen {
            state: ServiceState::Waiting,
            wanted: true,
            completed: false,
            held: false,
            up_since: None,
            ended: None,
            last_exit: None,
            in_row: 0,
            manual: false,
            stuck: false,
            cause: String::new(),
        };
        let names = services.iter().map(|s| s.name.clone());
        Self {
            services: services.to_vec(),
            ids: names.zip(0..).collect(),
            seen: vec![seen; services.len()],
            open: BTreeMap::new(),
            booted: None,
            boot_complete: false,
            shutdown: None,
            shutdown_complete: false,
        }
    }

    pub(crate) fn id(&self, name: &ServiceName) -> usize {
        self.ids[name]
    }

    pub(crate) fn event(&mut self, event: &Event, now: Time) {
        match event {
            Event::Boot => {
                self.booted.get_or_insert(now);
            }
            Event::MainExited { service, status } => {
                let seen = &mut self.seen[self.ids[service]];
                let up = seen.up_since.take().unwrap_or(now);
                seen.ended = Some((now, now - up >= Duration::from_secs(10)));
                seen.last_exit = Some(*status);
            }
            Event::LaunchFailed { service, .. } => {
                let seen = &mut self.seen[self.ids[service]];
                seen.ended = Some((now, false));
                seen.last_exit = None;
            }
            Event::Shutdown(_) => {
                self.shutdown.get_or_insert(now);
            }
            Event::Request { request, id } => {
                self.open.insert(*id, request.clone());
                if self.shutdown.is_none() {
                    self.ask(request);
                }
            }
            _ => {}
        }
    }

    fn ask(&mut self, request: &Request) {
        match request {
            Request::Start(name) | Request::Restart(name) => {
                let Some(id) = self.ids.get(name).copied() else {
                    return;
                };
                let was_up = self.seen[id].state == ServiceState::Up;
                if self.seen[id].stuck {
                    // Refused.
                } else if was_up {
                    self.seen[id].manual |= matches!(request, Request::Restart(_));
                } else {
                    self.raise(id);
                }
            }
            Request::Stop(name) => {
                if let Some(id) = self.ids.get(name).copied() {
                    self.seen[id].wanted = false;
                    self.seen[id].completed = false;
                }
            }
            Request::Kill(..) => {}
        }
    }

    /// A start raises all that it requires and that is not there.
    fn raise(&mut self, id: usize) {
        if !self.seen[id].stuck {
            self.seen[id].wanted = true;
            self.seen[id].manual = true;
        }
        for (name, dependency) in self.services[id].depends_on.clone() {
            if let Some(on) = self.ids.get(&name).copied()
                && dependency.required
                && self.seen[on].state != ServiceState::Up
                && !self.seen[on].completed
            {
                self.raise(on);
            }
        }
    }

    fn answered(
        &mut self,
        id: u64,
        result: &Result<(), orlop_supervisor::RequestError>,
    ) -> Verdict {
        let request = self.open.remove(&id);
        ensure(request.is_some(), || {
            format!("request {id} answered twice, or never asked: {result:?}")
        })
    }

    pub(crate) fn effect(&mut self, effect: &Effect, now: Time, world: &World) -> Verdict {
        match effect {
            Effect::Launch { service, .. } => self.launch(self.ids[service], now, world),
            Effect::Signal { service, .. } => {
                let process = &world.processes[self.ids[service]];
                ensure(process.told_launched && !process.told_exit, || {
                    format!("signal to {service} without a main process")
                })
            }
            Effect::KillCgroup { .. }
            | Effect::Probe { .. }
            | Effect::StopProbe { .. }
            | Effect::EndMachine { .. } => Ok(()),
            Effect::Release { service } => {
                let id = self.ids[service];
                let seen = &mut self.seen[id];
                let rests = matches!(seen.state, ServiceState::Down | ServiceState::Failed);
                let held = std::mem::take(&mut seen.held);
                let empty = world.processes[id].nothing_left();
                ensure(rests && held && empty, || {
                    format!("release of {service} in use: {seen:?}")
                })
            }
            Effect::StateChanged {
                service,
                state,
                cause,
            } => self.changed(self.ids[service], *state, cause, now),
            Effect::Reply { id, result } => self.answered(*id, result),
            Effect::BootComplete => {
                let in_time = self
                    .booted
                    .is_some_and(|at| now <= at + Duration::from_secs(90));
                let first = !std::mem::replace(&mut self.boot_complete, true);
                ensure(first && in_time && self.shutdown.is_none(), || {
                    "boot-complete twice, late or during the shutdown".to_owned()
                })
            }
            Effect::ShutdownComplete(_) => {
                let first = !std::mem::replace(&mut self.shutdown_complete, true);
                let at = self.shutdown.ok_or("shutdown-complete unasked")?;
                let all = self
                    .services
                    .iter()
                    .map(|s| s.stop_grace_period + Duration::from_secs(20));
                ensure(first && now <= at + all.sum(), || {
                    format!("shutdown-complete twice or late: {:?}", now - at)
                })?;
                let up = self
                    .seen
                    .iter()
                    .find(|seen| !matches!(seen.state, ServiceState::Down | ServiceState::Failed));
                ensure(up.is_none(), || format!("shutdown-complete with {up:?}"))
            }
        }
    }

    fn launch(&mut self, id: usize, now: Time, world: &World) -> Verdict {
        let name = self.services[id].name.clone();
        let process = &world.processes[id];
        ensure(process.nothing_left(), || {
            format!("launch of {name} beside another life: {process:?}")
        })?;
        ensure(self.booted.is_some() && self.shutdown.is_none(), || {
            format!("launch of {name} before the boot or after the shutdown")
        })?;
        ensure(self.seen[id].wanted, || {
            format!("launch of {name}, which is not wanted")
        })?;
        for (on, dependency) in &self.services[id].depends_on {
            let holds = match self.ids.get(on).map(|on| &self.seen[*on]) {
                None => false,
                Some(on) => match dependency.condition {
                    Condition::Started | Condition::Healthy => {
                        on.state == ServiceState::Up || on.completed
                    }
                    Condition::CompletedSuccessfully => on.completed,
                },
            };
            ensure(holds || !dependency.required, || {
                format!("launch of {name} before its requirement {on}")
            })?;
        }
        let seen = &mut self.seen[id];
        if std::mem::take(&mut seen.manual) {
            seen.in_row = 0;
        } else if let Some((ended, healthy)) = seen.ended {
            if healthy {
                seen.in_row = 0;
            } else {
                let nominal = Duration::from_millis(100 << seen.in_row.min(20));
                let least = nominal.min(Duration::from_secs(60)) * 9 / 10;
                ensure(now - ended >= least, || {
                    format!("launch of {name} after {:?} of {least:?}", now - ended)
                })?;
            }
            seen.in_row += 1;
            if let RestartPolicy::OnFailure {
                max_retries: Some(max),
            } = self.services[id].restart
            {
                ensure(seen.in_row <= max, || format!("{name} restarted too often"))?;
            }
            ensure(self.services[id].restart != RestartPolicy::No, || {
                format!("{name} restarted against its policy")
            })?;
        }
        seen.held = true;
        seen.completed = false;
        Ok(())
    }

    fn changed(&mut self, id: usize, state: ServiceState, cause: &str, now: Time) -> Verdict {
        let name = self.services[id].name.clone();
        let seen = &mut self.seen[id];
        ensure(seen.state != state || seen.stuck, || {
            format!("{name} changed to {state:?} from itself")
        })?;
        ensure(!cause.is_empty(), || {
            format!("{name} {state:?} without a cause")
        })?;
        seen.state = state;
        seen.completed = false;
        seen.stuck = cause.contains("survives SIGKILL");
        seen.cause = cause.to_owned();
        match state {
            ServiceState::Up => seen.up_since = Some(now),
            ServiceState::Down => {
                let success = seen.last_exit == Some(ExitStatus::Exited(0));
                let job = self.services[id].restart != RestartPolicy::Always;
                seen.completed = seen.wanted && success && job && self.shutdown.is_none();
                ensure(
                    seen.completed || !seen.wanted || seen.clean() || self.shutdown.is_some(),
                    || format!("{name} is down, but wanted"),
                )?;
            }
            ServiceState::Stopping if cause == "stopped for the shutdown" => {
                let needed = self.services.iter().position(|service| {
                    let state = self.seen[self.ids[&service.name]].state;
                    service.depends_on.contains_key(&name)
                        && !matches!(state, ServiceState::Down | ServiceState::Failed)
                });
                ensure(needed.is_none(), || {
                    format!("{name} stopped before {needed:?}")
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    /// After every step.
    pub(crate) fn agree(&self, supervisor: &Supervisor, now: Time, world: &World) -> Verdict {
        ensure(supervisor.next_deadline().is_none_or(|at| at > now), || {
            "a deadline that is over is left".to_owned()
        })?;
        if self.shutdown.is_none() {
            self.none_superseded()?;
        }
        for ((name, status), id) in supervisor.services().map(|s| (s, self.ids[s.0])) {
            let seen = &self.seen[id];
            ensure(status.state == seen.state, || {
                format!(
                    "{name} is {:?}, but {:?} was said",
                    status.state, seen.state
                )
            })?;
            let process = &world.processes[id];
            let runs = process.told_launched && !process.told_exit;
            ensure(status.pid.is_some() == runs, || {
                format!("{name} {:?} has pid {:?}", status.state, status.pid)
            })?;
        }
        Ok(())
    }

    /// A request that waits agrees with what is wanted: else another has superseded it.
    fn none_superseded(&self) -> Verdict {
        for (id, request) in &self.open {
            let (name, up) = match request {
                Request::Start(name) | Request::Restart(name) => (name, true),
                Request::Stop(name) => (name, false),
                Request::Kill(..) => return Err(format!("kill {id} unanswered")),
            };
            let wanted = self.ids.get(name).map(|id| self.seen[*id].wanted);
            ensure(wanted == Some(up), || {
                format!("unanswered though superseded: {request:?}")
            })?;
        }
        Ok(())
    }

    /// A start may wait on for nothing but a job that still runs.
    fn none_forgotten(&self) -> Verdict {
        for request in self.open.values() {
            let (Request::Start(name) | Request::Restart(name)) = request else {
                return Err(format!("unanswered at rest: {request:?}"));
            };
            let good = self.waits_for_a_job(self.ids[name]);
            ensure(good, || format!("unanswered at rest: {request:?}"))?;
        }
        Ok(())
    }

    fn waits_for_a_job(&self, id: usize) -> bool {
        self.seen[id].state == ServiceState::Waiting
            && self.services[id].depends_on.iter().all(|(on, dependency)| {
                let Some(on) = self.ids.get(on).copied() else {
                    return !dependency.required;
                };
                let up = self.seen[on].state == ServiceState::Up;
                up || self.seen[on].completed || !dependency.required || self.waits_for_a_job(on)
            })
    }

    /// When nothing more will happen by itself.
    pub(crate) fn at_rest(&self) -> Verdict {
        self.none_forgotten()?;
        for (service, seen) in self.services.iter().zip(&self.seen) {
            let name = &service.name;
            let edges = || {
                service.depends_on.iter().map(|(name, dependency)| {
                    (dependency, self.ids.get(name).map(|on| &self.seen[*on]))
                })
            };
            let good = match seen.state {
                ServiceState::Up => seen.wanted,
                ServiceState::Down => !seen.wanted || seen.completed || seen.clean(),
                ServiceState::Failed => {
                    let own = service.restart != RestartPolicy::Always
                        && (seen.last_exit != Some(ExitStatus::Exited(0))
                            || seen.cause.starts_with("launch took longer"));
                    let others = edges().any(|(dependency, on)| {
                        dependency.required && on.is_none_or(|on| on.state == ServiceState::Failed)
                    });
                    seen.wanted && (own || others)
                }
                ServiceState::Waiting => {
                    let unmet = edges().any(|(dependency, on)| {
                        on.is_some_and(|on| match dependency.condition {
                            _ if on.completed => false,
                            Condition::Started | Condition::Healthy => on.state != ServiceState::Up,
                            Condition::CompletedSuccessfully => true,
                        })
                    });
                    seen.wanted && unmet
                }
                _ => false,
            };
            ensure(good || self.shutdown.is_some(), || {
                format!("{name} rests in {seen:?}")
            })?;
        }
        ensure(self.boot_complete || self.shutdown.is_some(), || {
            "boot-complete never came".to_owned()
        })
    }

    pub(crate) fn at_the_end(&self) -> Verdict {
        ensure(self.shutdown_complete, || {
            "shutdown-complete never came".to_owned()
        })?;
        ensure(self.open.is_empty(), || {
            format!("never answered: {:?}", self.open)
        })
    }
}
