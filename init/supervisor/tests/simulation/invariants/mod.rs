//! What must hold, kept from the effects and reports alone and judged against the world's truth.

mod launches;
mod processes;
mod requests;
mod rest;
mod states;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orlop_config::{Need, Service, ServiceName};
use orlop_supervisor::{
    Effect, Event, ExitStatus, Notice, ProbeResult, Request, ServiceState, Supervisor, Time,
};

use crate::world::World;

pub(crate) type Verdict = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

/// What the effects and reports so far say of one service.
#[derive(Debug, Clone)]
struct Seen {
    state: ServiceState,
    /// Not stopped by request, nor with what it is tied to.
    wanted: bool,
    completed: bool,
    held: bool,
    life: u64,
    /// Up since, while it is or was when its main process ended.
    up_since: Option<Time>,
    /// The last end: when, and whether it may have been after a healthy run.
    ended: Option<(Time, bool)>,
    last_exit: Option<ExitStatus>,
    /// It said in this life that it is ready.
    said_ready: bool,
    /// A probe passed in this life.
    passed: bool,
    /// Its probe under way.
    probe: Option<u64>,
    /// When it last fed the watchdog, or when that began.
    fed: Time,
    /// It moved or triggered its watchdog itself.
    own_watchdog: bool,
    /// It extended its stop.
    extended: bool,
    /// Automatic restarts in a row, at least.
    in_row: u32,
    /// `restarts` at its last launch.
    restarts: u32,
    /// When its last automatic restarts were.
    window: Vec<Time>,
    /// A process survives the kill: starts are refused.
    stuck: bool,
    cause: String,
}

pub(crate) struct Invariants {
    services: Vec<Service>,
    ids: BTreeMap<ServiceName, usize>,
    seen: Vec<Seen>,
    /// Another one's `on_failure` may start them.
    pulled: BTreeSet<usize>,
    open: BTreeMap<u64, Request>,
    present: BTreeSet<Need>,
    /// CLOCK_REALTIME, and when it read that.
    wall: Option<(Time, Duration)>,
    booted: Option<Time>,
    boot_complete: bool,
    shutdown: Option<Time>,
    shutdown_complete: bool,
}

impl Invariants {
    pub(crate) fn new(services: &[Service]) -> Self {
        let seen = services.iter().map(|service| {
            let wanted = service.supervision.start_at_boot;
            Seen {
                state: match wanted {
                    true => ServiceState::Waiting,
                    false => ServiceState::Down,
                },
                wanted: wanted || service.supervision.schedule.is_some(),
                completed: false,
                held: false,
                life: 0,
                up_since: None,
                ended: None,
                last_exit: None,
                said_ready: false,
                passed: false,
                probe: None,
                fed: Time::ZERO,
                own_watchdog: false,
                extended: false,
                in_row: 0,
                restarts: 0,
                window: Vec::new(),
                stuck: false,
                cause: String::new(),
            }
        });
        let names = services.iter().map(|s| s.name.clone());
        let mut all = Self {
            services: services.to_vec(),
            ids: names.zip(0..).collect(),
            seen: seen.collect(),
            pulled: BTreeSet::new(),
            open: BTreeMap::new(),
            present: BTreeSet::new(),
            wall: None,
            booted: None,
            boot_complete: false,
            shutdown: None,
            shutdown_complete: false,
        };
        for service in services {
            if let Some(start) = &service.supervision.on_failure.start {
                all.pull(all.ids[start]);
            }
        }
        all
    }

    fn pull(&mut self, id: usize) {
        if self.pulled.insert(id) {
            for (on, dependency) in self.services[id].depends_on.clone() {
                if let Some(on) = self.ids.get(&on).copied()
                    && dependency.required
                {
                    self.pull(on);
                }
            }
        }
    }

    pub(crate) fn id(&self, name: &ServiceName) -> usize {
        self.ids[name]
    }

    pub(crate) fn shuts_down(&self) -> bool {
        self.shutdown.is_some()
    }

    pub(crate) fn event(&mut self, event: &Event, now: Time) {
        match event {
            Event::Boot => {
                self.booted.get_or_insert(now);
            }
            Event::MainExited { service, status } => {
                let id = self.ids[service];
                let reset_after = self.services[id].supervision.restart_reset_after;
                let seen = &mut self.seen[id];
                // Of a launch whose report is not read yet the supervisor knows no time up.
                let up = seen.up_since.take().unwrap_or(now);
                seen.ended = Some((now, now - up >= reset_after));
                seen.last_exit = Some(*status);
            }
            Event::LaunchFailed { service, .. } => {
                let seen = &mut self.seen[self.ids[service]];
                seen.ended = Some((now, false));
                seen.last_exit = None;
            }
            Event::Notice {
                service,
                life,
                notice,
            } => self.said(self.ids[service], *life, notice, now),
            Event::ProbeDone {
                service,
                life,
                serial,
                result,
            } => {
                let seen = &mut self.seen[self.ids[service]];
                if seen.life == *life && seen.probe == Some(*serial) {
                    seen.probe = None;
                    seen.passed |= matches!(result, ProbeResult::Passed(_));
                }
            }
            Event::Resource { need, present } => {
                match present {
                    true => self.present.insert(need.clone()),
                    false => self.present.remove(need),
                };
            }
            Event::WallClock { unix } => self.wall = Some((now, *unix)),
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

    fn said(&mut self, id: usize, life: u64, notice: &Notice, now: Time) {
        let seen = &mut self.seen[id];
        if seen.life != life {
            return;
        }
        match notice {
            Notice::Ready => seen.said_ready = true,
            Notice::WatchdogPing => seen.fed = now,
            Notice::WatchdogTrigger | Notice::WatchdogUsec(_) => seen.own_watchdog = true,
            Notice::ExtendTimeout(_) => seen.extended = true,
            _ => {}
        }
    }

    pub(crate) fn effect(
        &mut self,
        effect: &Effect,
        now: Time,
        world: &World,
        supervisor: &Supervisor,
    ) -> Verdict {
        match effect {
            Effect::Launch { service, life } => {
                self.launch(self.ids[service], *life, now, world, supervisor)
            }
            Effect::Signal { service, signal } => {
                self.signal(self.ids[service], *signal, now, world)
            }
            Effect::KillCgroup { .. } => Ok(()),
            Effect::Probe {
                service,
                life,
                serial,
                ..
            } => self.probe(self.ids[service], *life, *serial),
            Effect::StopProbe { service, serial } => {
                let stopped = self.seen[self.ids[service]].probe.take();
                ensure(stopped == Some(*serial), || {
                    format!("stop of probe {serial} of {service}, not {stopped:?}")
                })
            }
            Effect::ReadOut { service, life } => self.read_out(self.ids[service], *life),
            Effect::Release { service } => self.release(self.ids[service], world),
            Effect::StateChanged {
                service,
                state,
                cause,
            } => self.changed(self.ids[service], *state, cause, now),
            Effect::Reply { id, result } => self.answered(*id, result),
            Effect::EndMachine { service, .. } => {
                let id = self.ids[service];
                let asked = self.services[id].supervision.on_failure.machine.is_some();
                // It may have been started again at once by what its failure starts.
                let failed = matches!(
                    self.seen[id].state,
                    ServiceState::Failed | ServiceState::BackingOff
                );
                ensure(asked && failed && self.shutdown.is_none(), || {
                    format!("end of the machine with {service}")
                })
            }
            Effect::BootComplete => {
                let in_time = self
                    .booted
                    .is_some_and(|at| now <= at + Duration::from_secs(90));
                let first = !std::mem::replace(&mut self.boot_complete, true);
                ensure(first && in_time && self.shutdown.is_none(), || {
                    "boot-complete twice, late or during the shutdown".to_owned()
                })
            }
            Effect::ShutdownComplete(_) => self.complete(now),
        }
    }

    /// Within the sum of the grace periods, extended ones by their bound, and 20 s each.
    fn complete(&mut self, now: Time) -> Verdict {
        let first = !std::mem::replace(&mut self.shutdown_complete, true);
        let at = self.shutdown.ok_or("shutdown-complete unasked")?;
        let all = self.services.iter().zip(&self.seen).map(|(service, seen)| {
            let stop = match seen.extended {
                true => service.stop_grace_period.max(Duration::from_secs(300)),
                false => service.stop_grace_period,
            };
            stop + Duration::from_secs(20)
        });
        ensure(first && now <= at + all.sum(), || {
            format!("shutdown-complete twice or late: {:?}", now - at)
        })?;
        let left = self
            .seen
            .iter()
            .find(|seen| !matches!(seen.state, ServiceState::Down | ServiceState::Failed));
        ensure(left.is_none(), || {
            format!("shutdown-complete with {left:?}")
        })
    }

    /// After every step.
    pub(crate) fn agree(&self, supervisor: &Supervisor, now: Time, world: &World) -> Verdict {
        ensure(supervisor.next_deadline().is_none_or(|at| at > now), || {
            "a deadline that is over is left".to_owned()
        })?;
        if self.shutdown.is_none() {
            self.none_superseded()?;
        }
        let unix = self
            .wall
            .map(|(then, unix)| (unix + (now - then)).as_secs());
        for ((name, status), id) in supervisor.services().zip(self.ids.values()) {
            let seen = &self.seen[*id];
            ensure(status.state == seen.state, || {
                format!(
                    "{name} is {:?}, but {:?} was said",
                    status.state, seen.state
                )
            })?;
            let process = &world.processes[*id];
            let runs = process.told_launched && !process.told_exit;
            ensure(status.pid.is_some() == runs, || {
                format!("{name} {:?} has pid {:?}", status.state, status.pid)
            })?;
            let starts = status.state == ServiceState::Starting;
            ensure(!process.waits() || starts, || {
                format!("{name} is {:?}, and its launch waits", status.state)
            })?;
            let late = status.next_run.filter(|next| Some(*next) < unix);
            ensure(late.is_none(), || {
                format!("{name} should have run at {late:?}, it is {unix:?}")
            })?;
        }
        Ok(())
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
