//! One service as the supervisor keeps it: what is wanted, what is, and what its edges are.

use std::collections::VecDeque;
use std::time::Duration;

use orlop_config::{Condition, RestartPolicy, Service, ServiceName, Signal};

use crate::{ExitStatus, ServiceState, ServiceStatus, Time, cause};

/// A service's place in [`Units`](crate::graph::Units).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) usize);

/// One entry of `depends_on`.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    /// As written.
    pub(crate) name: ServiceName,
    /// The service; `None` when no good manifest has that name.
    pub(crate) on: Option<Id>,
    /// What it has to have reached.
    pub(crate) condition: Condition,
    /// Whether its failure is this service's too.
    pub(crate) required: bool,
}

/// Where a service stands. The public [`ServiceState`] follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Wanted; a dependency is not met.
    Waiting {
        /// What it waits for has suffered a setback or is not wanted: it may be long.
        stalled: bool,
    },
    /// `Launch` is out, its answer is not.
    Starting,
    /// The main process runs.
    Up,
    /// A life comes to its end: being stopped, or ended by itself and its cgroup is being emptied.
    Ending(Ending),
    /// A restart is due at the unit's deadline.
    BackingOff,
    /// Nothing runs, and nothing is due.
    Down,
    /// As `Down`, after a failure.
    Failed {
        /// A required dependency's failure, not its own: it starts when that one comes up.
        by_dependency: bool,
    },
    /// The cgroup outlived `cgroup.kill` by [`KILL_BOUND`]: a process hangs in the kernel.
    Stuck(Ending),
}

/// The end of one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Why it ends: decides what comes after.
    pub(crate) why: Why,
    /// `KillCgroup` is out.
    pub(crate) killed: bool,
    /// The grace period was over before the main process ended.
    pub(crate) overdue: bool,
}

/// Why a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A request or the shutdown stops it.
    Asked,
    /// Start it again when it is gone, whatever the policy says: a restart, or a start that came
    /// during the end.
    Again,
    /// The main process ended by itself: the policy decides.
    Itself,
    /// The launch took longer than [`LAUNCH_BOUND`]: counts as a failure.
    LaunchTooLong,
}

/// How long a launch may take before its cgroup is killed.
pub(crate) const LAUNCH_BOUND: Duration = Duration::from_secs(30);
/// How long a cgroup may take to empty after `cgroup.kill`.
pub(crate) const KILL_BOUND: Duration = Duration::from_secs(10);
/// How often the kill is repeated after that.
pub(crate) const KILL_AGAIN: Duration = Duration::from_secs(60);

/// What is known of one life, from `Launch` to the empty cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// `Launched` came, at this time.
    pub(crate) up: Option<Time>,
    /// `MainExited` came (it may come before `Launched` is read), at this time.
    pub(crate) exit: Option<(ExitStatus, Time)>,
    /// `CgroupEmpty` came.
    pub(crate) empty: bool,
}

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

/// One service.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) name: ServiceName,
    pub(crate) policy: RestartPolicy,
    pub(crate) stop_signal: Signal,
    pub(crate) grace: Duration,
    pub(crate) edges: Vec<Edge>,
    /// Who has an edge to this one, required or not.
    pub(crate) dependents: Vec<Id>,
    /// Holds `log.streams`, or is needed by who holds it: first to start, last to stop.
    pub(crate) late: bool,
    /// The desired state: up or down.
    pub(crate) wanted: bool,
    pub(crate) phase: Phase,
    pub(crate) life: Option<Life>,
    /// Automatic restarts in a row: since the last healthy run or manual start.
    pub(crate) in_row: u32,
    /// Exited with 0 and was not restarted, in this period of being wanted.
    pub(crate) completed: bool,
    /// Launched since the last `Release`.
    pub(crate) held: bool,
    /// Counted for `BootComplete`.
    pub(crate) settled: bool,
    /// Counted for `ShutdownComplete`.
    pub(crate) gone: bool,
    /// What `BackingOff`, `Starting`, `Ending` and `Stuck` are bounded by.
    pub(crate) deadline: Option<Time>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) status: ServiceStatus,
}

impl Unit {
    /// A service before the boot: wanted, nothing runs. Edges are not resolved yet.
    pub(crate) fn new(service: &Service) -> Self {
        let edges = service.depends_on.iter().map(|(name, dependency)| Edge {
            name: name.clone(),
            on: None,
            condition: dependency.condition,
            required: dependency.required,
        });
        Self {
            name: service.name.clone(),
            policy: service.restart,
            stop_signal: service.stop_signal,
            grace: service.stop_grace_period,
            edges: edges.collect(),
            dependents: Vec::new(),
            late: holds_log(service),
            wanted: true,
            phase: Phase::Waiting { stalled: false },
            life: None,
            in_row: 0,
            completed: false,
            held: false,
            settled: false,
            gone: false,
            deadline: None,
            pending: Vec::new(),
            status: ServiceStatus {
                state: ServiceState::Waiting,
                since: Time::ZERO,
                pid: None,
                restarts: 0,
                last_exit: None,
                cause: cause::BEFORE_BOOT.to_owned(),
                life: 0,
                health: None,
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
            Phase::Starting | Phase::Up => false,
            Phase::Ending(_) => !self.wanted,
            Phase::Down => !self.completed,
            Phase::BackingOff | Phase::Failed { .. } | Phase::Stuck(_) => true,
        }
    }

    /// Whether the main process runs, as far as is known.
    pub(crate) fn main_runs(&self) -> bool {
        self.life
            .is_some_and(|life| life.up.is_some() && life.exit.is_none())
    }
}

/// `*` does not count: that is a person's console, not the holder of the log.
fn holds_log(service: &Service) -> bool {
    let mut grants = service.control.iter();
    grants.any(|grant| grant.as_str() != "*" && grant.covers("log.streams"))
}

impl Phase {
    /// The state as people see it.
    pub(crate) fn state(self) -> ServiceState {
        match self {
            Phase::Waiting { .. } => ServiceState::Waiting,
            Phase::Starting => ServiceState::Starting,
            Phase::Up => ServiceState::Up,
            Phase::Ending(_) => ServiceState::Stopping,
            Phase::BackingOff => ServiceState::BackingOff,
            Phase::Down => ServiceState::Down,
            Phase::Failed { .. } | Phase::Stuck(_) => ServiceState::Failed,
        }
    }
}
