//! A supervisor under a hand-held clock, and short words for its events.

use std::time::Duration;

use orlop_config::{
    Condition, Dependency, Grant, HealthCheck, HealthTest, RestartPolicy, Service, Supervision,
};

use super::super::Supervisor;
pub(super) use super::service::{name, service};
use crate::{
    Effect, Event, ExitStatus, Health, Notice, ProbeResult, Request, RequestError, ServiceState,
    ServiceStatus, Shutdown, Time,
};

/// A check of every ten seconds, within five, three times.
pub(super) fn check() -> HealthCheck {
    HealthCheck {
        test: HealthTest::Tcp { port: 80 },
        interval: SEC * 10,
        timeout: SEC * 5,
        retries: 3,
        start_period: Duration::ZERO,
        start_interval: SEC * 2,
    }
}

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SEC: Duration = Duration::from_secs(1);

/// Short ways to say what differs from the defaults.
pub(super) trait With: Sized {
    fn needs(self, on: &str) -> Self;
    fn after_completion_of(self, on: &str) -> Self;
    fn likes(self, on: &str) -> Self;
    fn policy(self, policy: RestartPolicy) -> Self;
    fn grace(self, grace: Duration) -> Self;
    fn granted(self, grant: &str) -> Self;
    fn set(self, change: impl FnOnce(&mut Supervision)) -> Self;
    fn edge(self, on: &str, change: impl FnOnce(&mut Dependency)) -> Self;
}

impl With for Service {
    fn needs(self, on: &str) -> Self {
        depend(self, on, Condition::Started, true)
    }
    fn after_completion_of(self, on: &str) -> Self {
        depend(self, on, Condition::CompletedSuccessfully, true)
    }
    fn likes(self, on: &str) -> Self {
        depend(self, on, Condition::Started, false)
    }
    fn policy(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }
    fn grace(mut self, grace: Duration) -> Self {
        self.stop_grace_period = grace;
        self
    }
    fn granted(mut self, grant: &str) -> Self {
        self.control.push(Grant::parse(grant).unwrap());
        self
    }
    fn set(mut self, change: impl FnOnce(&mut Supervision)) -> Self {
        change(&mut self.supervision);
        self
    }
    fn edge(mut self, on: &str, change: impl FnOnce(&mut Dependency)) -> Self {
        let mut dependency = Dependency::default();
        change(&mut dependency);
        self.depends_on.insert(name(on), dependency);
        self
    }
}

fn depend(mut service: Service, on: &str, condition: Condition, required: bool) -> Service {
    let dependency = Dependency {
        condition,
        required,
        ..Dependency::default()
    };
    service.depends_on.insert(name(on), dependency);
    service
}

pub(super) struct World {
    pub(super) supervisor: Supervisor,
    pub(super) now: Time,
    /// Effects of the last step.
    pub(super) last: Vec<Effect>,
    next_request: u64,
}

impl World {
    pub(super) fn new(services: impl IntoIterator<Item = Service>) -> Self {
        let services: Vec<Service> = services.into_iter().collect();
        Self::of(Supervisor::new(services.iter(), 1))
    }

    fn of(supervisor: Supervisor) -> Self {
        Self {
            supervisor,
            now: SEC,
            last: Vec::new(),
            next_request: 1,
        }
    }

    /// Booted, and every launch answered until none is left.
    pub(super) fn up(services: impl IntoIterator<Item = Service>) -> Self {
        let mut world = Self::new(services);
        world.boot();
        world.answer_launches();
        world
    }

    pub(super) fn answer_launches(&mut self) {
        while let Some(service) = self.last.iter().find_map(|effect| match effect {
            Effect::Launch { service, .. } => Some(service.to_string()),
            _ => None,
        }) {
            let rest: Vec<Effect> = std::mem::take(&mut self.last)
                .into_iter()
                .filter(|effect| !matches!(effect, Effect::Launch { service: s, .. } if s.as_str() == service))
                .collect();
            self.launched(&service);
            self.last.extend(rest);
        }
    }

    pub(super) fn step(&mut self, event: Event) -> &[Effect] {
        self.last = self.supervisor.step(event, self.now);
        assert!(
            self.supervisor
                .next_deadline()
                .is_none_or(|at| at > self.now),
            "a deadline that is over is left"
        );
        &self.last
    }

    pub(super) fn boot(&mut self) -> &[Effect] {
        self.step(Event::Boot)
    }
    pub(super) fn launched(&mut self, service: &str) -> &[Effect] {
        self.step(Event::Launched {
            service: name(service),
            pid: 100,
        })
    }
    pub(super) fn launch_failed(&mut self, service: &str) -> &[Effect] {
        self.step(Event::LaunchFailed {
            service: name(service),
            reason: "image \"x\": no such image".to_owned(),
        })
    }
    pub(super) fn exits(&mut self, service: &str, code: i32) -> &[Effect] {
        self.ends(service, ExitStatus::Exited(code))
    }
    pub(super) fn ends(&mut self, service: &str, status: ExitStatus) -> &[Effect] {
        self.step(Event::MainExited {
            service: name(service),
            status,
        })
    }
    pub(super) fn empty(&mut self, service: &str) -> &[Effect] {
        self.step(Event::CgroupEmpty {
            service: name(service),
        })
    }
    /// Main process and cgroup end.
    pub(super) fn gone(&mut self, service: &str, code: i32) {
        let mut effects = self.exits(service, code).to_vec();
        effects.extend(self.empty(service).to_vec());
        self.last = effects;
    }
    pub(super) fn shut_down(&mut self) -> &[Effect] {
        self.step(Event::Shutdown(Shutdown::PowerOff))
    }

    pub(super) fn notice(&mut self, service: &str, notice: Notice) -> &[Effect] {
        let life = self.status(service).life;
        self.step(Event::Notice {
            service: name(service),
            life,
            notice,
        })
    }
    pub(super) fn read_out(&mut self, service: &str) -> &[Effect] {
        let life = self.status(service).life;
        self.step(Event::ReadOut {
            service: name(service),
            life,
        })
    }
    pub(super) fn ready(&mut self, service: &str) -> &[Effect] {
        self.notice(service, Notice::Ready)
    }
    pub(super) fn oom(&mut self, service: &str, count: u32) -> &[Effect] {
        let life = self.status(service).life;
        self.step(Event::OomKilled {
            service: name(service),
            life,
            count,
        })
    }
    /// Answers the probe that the last effects ask for.
    pub(super) fn probe_says(&mut self, service: &str, result: ProbeResult) -> &[Effect] {
        let probe = self.last.iter().find_map(|effect| match effect {
            Effect::Probe {
                service: asked,
                life,
                serial,
                ..
            } if asked.as_str() == service => Some((*life, *serial)),
            _ => None,
        });
        let (life, serial) = probe.expect("a probe");
        self.step(Event::ProbeDone {
            service: name(service),
            life,
            serial,
            result,
        })
    }
    pub(super) fn passes(&mut self, service: &str) -> &[Effect] {
        self.probe_says(service, ProbeResult::Passed("200".to_owned()))
    }
    pub(super) fn misses(&mut self, service: &str) -> &[Effect] {
        self.probe_says(service, ProbeResult::Failed("503\nmore".to_owned()))
    }
    /// Lets time pass until a probe is asked for.
    pub(super) fn until_probe(&mut self) {
        for _ in 0..100 {
            let at = self.supervisor.next_deadline().expect("something is due");
            self.pass(at - self.now);
            if self.did().iter().any(|did| did.starts_with("probe")) {
                return;
            }
        }
        panic!("no probe");
    }
    pub(super) fn health(&self, service: &str) -> Health {
        self.status(service)
            .health
            .as_ref()
            .expect("a check")
            .health
    }

    pub(super) fn request(&mut self, request: Request) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        self.step(Event::Request { request, id });
        id
    }
    pub(super) fn start(&mut self, service: &str) -> u64 {
        self.request(Request::Start(name(service)))
    }
    pub(super) fn stop(&mut self, service: &str) -> u64 {
        self.request(Request::Stop(name(service)))
    }
    pub(super) fn restart(&mut self, service: &str) -> u64 {
        self.request(Request::Restart(name(service)))
    }

    /// Lets time pass, with a step at each deadline on the way; `last` is all that came of it.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut effects = Vec::new();
        while let Some(at) = self.supervisor.next_deadline().filter(|at| *at <= end) {
            self.now = at;
            effects.extend(self.step(Event::Deadline).to_vec());
        }
        self.now = end;
        self.last = effects;
    }

    pub(super) fn status(&self, service: &str) -> &ServiceStatus {
        self.supervisor.status(&name(service)).unwrap()
    }
    pub(super) fn state(&self, service: &str) -> ServiceState {
        self.status(service).state
    }
    pub(super) fn cause(&self, service: &str) -> &str {
        &self.status(service).cause
    }

    /// What `Launch`, `Signal`, `KillCgroup` and `Release` of the last step say, in short words.
    pub(super) fn did(&self) -> Vec<String> {
        let said = self.last.iter().filter_map(|effect| match effect {
            Effect::Launch { service, .. } => Some(format!("launch {service}")),
            Effect::Signal { service, signal } => {
                Some(format!("signal {service} {}", signal.number()))
            }
            Effect::KillCgroup { service } => Some(format!("kill {service}")),
            Effect::Release { service } => Some(format!("release {service}")),
            Effect::BootComplete => Some("boot complete".to_owned()),
            Effect::ShutdownComplete(kind) => Some(format!("shutdown complete {kind:?}")),
            Effect::Probe { service, .. } => Some(format!("probe {service}")),
            Effect::ReadOut { service, .. } => Some(format!("read out {service}")),
            Effect::StopProbe { service, .. } => Some(format!("stop probe {service}")),
            Effect::EndMachine { service, kind } => Some(format!("end machine {service} {kind:?}")),
            Effect::StateChanged { .. } | Effect::Reply { .. } => None,
        });
        said.collect()
    }

    pub(super) fn replies(&self) -> Vec<(u64, Result<(), RequestError>)> {
        let replies = self.last.iter().filter_map(|effect| match effect {
            Effect::Reply { id, result } => Some((*id, result.clone())),
            _ => None,
        });
        replies.collect()
    }
}

pub(super) fn failed(reason: &str) -> Result<(), RequestError> {
    Err(RequestError::Failed(reason.to_owned()))
}
