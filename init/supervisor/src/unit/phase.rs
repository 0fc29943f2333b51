//! Where a service stands. The public [`ServiceState`] follows from it.

use std::time::Duration;

use crate::ServiceState;

/// How long a launch may take before its cgroup is killed.
pub(crate) const LAUNCH_BOUND: Duration = Duration::from_secs(30);
/// How long a cgroup may take to empty after `cgroup.kill`.
pub(crate) const KILL_BOUND: Duration = Duration::from_secs(10);
/// How often the kill is repeated after that.
pub(crate) const KILL_AGAIN: Duration = Duration::from_secs(60);
/// `EXTEND_TIMEOUT_USEC` moves the end of a stop to so long after its beginning at the most (or to
/// the end of the grace period, if that is longer): every wait is bounded.
pub(crate) const STOP_EXTENSION: Duration = Duration::from_secs(300);
/// How long it may take to read what a service has said when its watchdog's time is over.
pub(crate) const READ_OUT_BOUND: Duration = Duration::from_secs(10);
/// A service waits so long for something of the machine before it counts as waiting in vain.
pub(crate) const NEED_PATIENCE: Duration = Duration::from_secs(30);

/// Where a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Wanted; a dependency is not met, or the machine lacks what it needs.
    Waiting {
        /// What it waits for has suffered a setback or is not wanted: it may be long.
        stalled: bool,
    },
    /// `Launch` is out, its answer is not.
    Starting,
    /// The main process runs and is not ready; of a oneshot, all its life.
    Readying,
    /// The main process runs and is ready.
    Up,
    /// A oneshot with `remain_after_exit` that has ended with success: up without a process.
    Remains,
    /// A life comes to its end: being stopped, or ended by itself and its cgroup is being emptied.
    Ending(Ending),
    /// A restart is due at the phase's timer.
    BackingOff,
    /// Nothing runs, and nothing but its schedule is due.
    Down,
    /// As `Down`, after a failure; with a timer when its limit's `retry_after` will try again.
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
    /// After so long the grace period was over before the main process had ended.
    pub(crate) overdue: Option<Duration>,
}

impl Ending {
    /// An end that has just begun.
    pub(crate) fn new(why: Why) -> Self {
        Self {
            why,
            killed: false,
            overdue: None,
        }
    }
}

/// Why a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A request, the end of what it is tied to, or the shutdown stops it.
    Asked,
    /// Start it again when it is gone, whatever the policy says: a restart, or a start that came
    /// during the end.
    Again,
    /// The main process ended by itself, or the supervisor found something wrong with this life: the
    /// policy decides.
    Itself,
}

impl Phase {
    /// The state as people see it.
    pub(crate) fn state(self) -> ServiceState {
        match self {
            Phase::Waiting { .. } => ServiceState::Waiting,
            Phase::Starting | Phase::Readying => ServiceState::Starting,
            Phase::Up | Phase::Remains => ServiceState::Up,
            Phase::Ending(_) => ServiceState::Stopping,
            Phase::BackingOff => ServiceState::BackingOff,
            Phase::Down => ServiceState::Down,
            Phase::Failed { .. } | Phase::Stuck(_) => ServiceState::Failed,
        }
    }

    /// Whether its main process runs and nobody has asked it to end.
    pub(crate) fn runs(self) -> bool {
        matches!(self, Phase::Readying | Phase::Up)
    }
}
