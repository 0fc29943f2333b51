//! What counts as a failure, how many are too many, and what happens then.

use std::time::Duration;

use crate::{ServiceName, Signal};

/// One entry of `success_exit_status` and its kin: a way for a main process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndStatus {
    /// It exited with this code.
    Code(u8),
    /// This signal killed it.
    Signal(Signal),
}

/// `start_limit`: counts automatic restarts only; a start by request begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartLimit {
    /// `burst`: so many automatic restarts within `interval` are allowed, at least 1.
    pub burst: u32,
    /// `interval`: how far back restarts are counted.
    pub interval: Duration,
    /// `retry_after`: over the limit, one more try after this long; none when absent.
    pub retry_after: Option<Duration>,
}

/// `on_failure`: what happens when the service has failed for good, by its policy or a limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OnFailure {
    /// `"restart-dependents"`: the running services that depend on it are started anew.
    pub restart_dependents: bool,
    /// `"start:name"`: that service is started.
    pub start: Option<ServiceName>,
    /// `"reboot"` or `"poweroff"`.
    pub machine: Option<MachineAction>,
}

/// What a service's failure does to the whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineAction {
    /// `"reboot"`.
    Reboot,
    /// `"poweroff"`.
    PowerOff,
}

/// `oom_policy`: what happens when the kernel kills a process of the service for want of memory
/// (systemd's OOMPolicy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OomPolicy {
    /// `"continue"`: only that process is gone.
    #[default]
    Continue,
    /// `"stop"`: the service is stopped; `restart` decides over the rest.
    Stop,
    /// `"kill"`: the kernel kills all of it at once (`memory.oom.group`).
    Kill,
}
