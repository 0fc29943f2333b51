//! What people see of a service.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{ExitStatus, Time};

/// The actual state of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceState {
    /// Wanted, waits for what it depends on.
    Waiting,
    /// Being launched.
    Starting,
    /// Its main process runs.
    Up,
    /// Was asked to stop, or ended by itself and what is left of it is being killed.
    Stopping,
    /// Ended; a restart is due after the back-off.
    BackingOff,
    /// Not running and not wanted, or ended with success and its policy wants no restart.
    Down,
    /// Ended with a failure and its policy wants no restart, or a required dependency failed, or a
    /// process of it survives SIGKILL.
    Failed,
}

/// One service as `orlop ps` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// The state.
    pub state: ServiceState,
    /// Since when it is in that state.
    pub since: Time,
    /// The main process, while there is one.
    pub pid: Option<u32>,
    /// Restarts that happened by themselves since boot or the last manual start.
    pub restarts: u32,
    /// How the last main process ended.
    pub last_exit: Option<ExitStatus>,
    /// Why it is in that state.
    pub cause: String,
    /// The number of its last launch; 0 before the first.
    pub life: u64,
    /// What its health check says; `None` without one.
    pub health: Option<HealthStatus>,
    /// The last `STATUS=` of this life.
    pub text: Option<String>,
    /// It said `RELOADING=1` and not yet `READY=1`.
    pub reloading: bool,
    /// Its last ends, oldest first: [`KEPT_EXITS`] at most; kept over restarts and requests.
    pub last_exits: VecDeque<PastExit>,
    /// When its schedule is due next: seconds since 1970 UTC.
    pub next_run: Option<u64>,
    /// Processes killed for want of memory since boot.
    pub oom_kills: u64,
    /// Its watchdog's time, while it is armed.
    pub watchdog: Option<Duration>,
}

/// What is kept of a service beside its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The desired state: whether it shall be up.
    pub wanted: bool,
    /// When its phase (a back-off, a start, a stop) is over.
    pub phase: Option<Time>,
    /// When it is asked for its health next, or no longer answered.
    pub health: Option<Time>,
    /// When its watchdog is over.
    pub watchdog: Option<Time>,
    /// When its schedule is due.
    pub schedule: Option<Time>,
}

/// How far a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopping {
    /// It may take until then, which the service may have put off; then all of it is killed.
    Until(Time),
    /// It was killed then.
    KilledAt(Time),
}

/// So many ends of each service are kept.
pub const KEPT_EXITS: usize = 5;

/// One end of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastExit {
    /// When.
    pub at: Time,
    /// How its main process ended; `None` when it never ran.
    pub status: Option<ExitStatus>,
    /// One lower-case fragment: `watchdog: nothing heard for 10 s`.
    pub cause: String,
}

/// What a health check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthStatus {
    /// The verdict.
    pub health: Health,
    /// Failures in a row.
    pub failing_streak: u32,
    /// What the last probe said; empty before the first. 4 KiB at most, as in Docker.
    pub last_output: String,
}

impl HealthStatus {
    /// Of a life that has just begun.
    pub(crate) fn new() -> Self {
        Self {
            health: Health::Starting,
            failing_streak: 0,
            last_output: String::new(),
        }
    }
}

/// The verdict of a health check, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// No probe has passed yet, nor failed often enough.
    Starting,
    /// The last probes passed.
    Healthy,
    /// The last probes failed.
    Unhealthy,
}
