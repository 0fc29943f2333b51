//! One service as the supervisor keeps it: what is wanted of it, what is, and what its edges are.

mod edge;
mod life;
mod phase;

use std::collections::VecDeque;
use std::time::Duration;

use orlop_config::{
    HealthCheck, Kind, Need, OnFailure, OnUnhealthy, OomPolicy, Readiness, Schedule, Service,
    ServiceName, Signal,
};

pub(crate) use edge::Edge;
pub(crate) use life::Life;
pub(crate) use phase::{
    Ending, KILL_AGAIN, KILL_BOUND, LAUNCH_BOUND, NEED_PATIENCE, Phase, READ_OUT_BOUND,
    STOP_EXTENSION, Why,
};

use crate::restart::{Rules, Window};
use crate::timers::Timers;
use crate::{Health, HealthStatus, ServiceState, ServiceStatus, Time, cause};

/// A service's place in [`Units`](crate::graph::Units).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) usize);

/// A request that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    /// The request's id.
    pub(crate) id: u64,
    /// What answers it.
    pub(crate) until: Until,
}

/// What answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// `Start`, `Restart`.
    Up,
    /// `Stop`.
    Down,
}

/// Whom its next coming up starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    /// It was restarted by request: edges with `restart`.
    Requested,
    /// It ended by itself: edges with `propagate = "restart"`.
    Automatic,
}

/// What its manifest says and never changes.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) stop_signal: Signal,
    pub(crate) grace: Duration,
    pub(crate) kind: Kind,
    pub(crate) readiness: Readiness,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) watchdog: Option<Duration>,
    pub(crate) health: Option<HealthCheck>,
    pub(crate) on_unhealthy: OnUnhealthy,
    pub(crate) oom_policy: OomPolicy,
    pub(crate) on_failure: OnFailure,
    pub(crate) needs: Vec<Need>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) start_at_boot: bool,
    pub(crate) restart: Rules,
}

/// The health check of the life at hand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checkup {
    /// The probe under way.
    pub(crate) probe: Option<u64>,
    /// When the last failure was counted, or the life began.
    pub(crate) counted: Time,
    /// Probes since the life began.
    pub(crate) probes: u32,
}

/// One service.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) name: ServiceName,
    pub(crate) plan: Plan,
    pub(crate) edges: Vec<Edge>,
    /// Who has an edge to this one, required or not.
    pub(crate) dependents: Vec<Id>,
    /// Holds `log.streams`, or is needed by who holds it: first to start, last to stop.
    pub(crate) late: bool,
    /// The desired state: up or down.
    pub(crate) wanted: bool,
    pub(crate) phase: Phase,
    pub(crate) life: Option<Life>,
    pub(crate) checkup: Checkup,
    /// The watchdog's time is over, and what was said is being read.
    pub(crate) silent: bool,
    /// Automatic restarts in a row: since the last healthy run or manual start.
    pub(crate) in_row: u32,
    /// The next launch is an automatic restart.
    pub(crate) retrying: bool,
    /// When the last automatic restarts were.
    pub(crate) window: Window,
    /// Ended with success and was not restarted, in this period of being wanted.
    pub(crate) completed: bool,
    /// Why it is not wanted, as a cause.
    pub(crate) stopped_by: String,
    /// Its coming up is news to dependents that run since before.
    pub(crate) returns: Option<Return>,
    /// Since when it waits for something of the machine only.
    pub(crate) needing: Option<Time>,
    /// Its schedule is not in force: from a stop to a start, and during the shutdown.
    pub(crate) suspended: bool,
    /// Its schedule came during a run, and asks for one more.
    pub(crate) queued: bool,
    /// When its schedule was due last: seconds since 1970 UTC.
    pub(crate) last_due: Option<u64>,
    /// Launched since the last `Release`.
    pub(crate) held: bool,
    /// Counted for `BootComplete`.
    pub(crate) settled: bool,
    /// Counted for `ShutdownComplete`.
    pub(crate) gone: bool,
    pub(crate) timers: Timers,
    pub(crate) pending: Vec<Pending>,
    pub(crate) status: ServiceStatus,
}

impl Unit {
    /// A service before the boot: nothing runs. Edges are not resolved yet.
    pub(crate) fn new(service: &Service) -> Self {
        let plan = Plan::new(service);
        let depends = service.depends_on.iter();
        let mut edges: Vec<Edge> = depends.map(|(name, on)| Edge::of(name, on)).collect();
        let after = service.supervision.after.iter();
        edges.extend(
            after
                .filter(|name| !service.depends_on.contains_key(*name))
                .map(Edge::order),
        );
        let wanted = plan.start_at_boot && plan.schedule.is_none();
        let (phase, state, cause) = match wanted {
            true => (
                Phase::Waiting { stalled: false },
                ServiceState::Waiting,
                cause::BEFORE_BOOT,
            ),
            false => (Phase::Down, ServiceState::Down, cause::NOT_AT_BOOT),
        };
        let health = plan.health.as_ref().map(|_| HealthStatus::new());
        Self {
            name: service.name.clone(),
            plan,
            edges,
            dependents: Vec::new(),
            late: holds_log(service),
            wanted,
            phase,
            life: None,
            checkup: Checkup::default(),
            silent: false,
            in_row: 0,
            retrying: false,
            window: Window::default(),
            completed: false,
            stopped_by: String::new(),
            returns: None,
            needing: None,
            suspended: false,
            queued: false,
            last_due: None,
            held: false,
            settled: false,
            gone: false,
            timers: Timers::default(),
            pending: Vec::new(),
            status: ServiceStatus {
                state,
                since: Time::ZERO,
                pid: None,
                restarts: 0,
                last_exit: None,
                cause: cause.to_owned(),
                life: 0,
                health,
                text: None,
                reloading: false,
                last_exits: VecDeque::new(),
                next_run: None,
                oom_kills: 0,
                watchdog: None,
            },
        }
    }

    /// Whether who waits for it may have to wait long: no progress is under way.
    pub(crate) fn stalled(&self) -> bool {
        match self.phase {
            Phase::Waiting { stalled } => stalled,
            Phase::Starting | Phase::Readying | Phase::Remains => false,
            Phase::Up => self.health() == Some(Health::Unhealthy),
            Phase::Ending(_) => !self.wanted,
            Phase::Down => !self.completed,
            Phase::BackingOff | Phase::Failed { .. } | Phase::Stuck(_) => true,
        }
    }

    /// Its health check's verdict; `None` without one.
    pub(crate) fn health(&self) -> Option<Health> {
        self.status.health.as_ref().map(|status| status.health)
    }

    /// Whether the main process runs, as far as is known.
    pub(crate) fn main_runs(&self) -> bool {
        self.life.as_ref().is_some_and(Life::main_runs)
    }

    /// The life of that number, while it is the one at hand.
    pub(crate) fn life_of(&mut self, serial: u64) -> Option<&mut Life> {
        self.life.as_mut().filter(|life| life.serial == serial)
    }
}

impl Plan {
    fn new(service: &Service) -> Self {
        let supervision = &service.supervision;
        Self {
            stop_signal: service.stop_signal,
            grace: service.stop_grace_period,
            kind: supervision.kind,
            readiness: supervision.readiness,
            start_timeout: supervision.start_timeout,
            watchdog: supervision.watchdog,
            health: supervision.health.clone(),
            on_unhealthy: supervision.on_unhealthy,
            oom_policy: supervision.oom_policy,
            on_failure: supervision.on_failure.clone(),
            needs: supervision.needs.clone(),
            schedule: supervision.schedule.clone(),
            start_at_boot: supervision.start_at_boot,
            restart: Rules::new(service),
        }
    }
}

/// `*` does not count: that is a person's console, not the holder of the log.
fn holds_log(service: &Service) -> bool {
    let mut grants = service.control.iter();
    grants.any(|grant| grant.as_str() != "*" && grant.covers("log.streams"))
}
