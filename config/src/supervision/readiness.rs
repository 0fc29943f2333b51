//! `type` and `readiness`: when those who wait for a service may go on.

/// `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// `"service"`: runs until it is stopped.
    #[default]
    Service,
    /// `"oneshot"`: does its work and ends; up once it has ended with success. Never started again
    /// after a success, and after a failure only when `restart` is written.
    Oneshot {
        /// `remain_after_exit`: counts as up after the success until it is stopped.
        remain_after_exit: bool,
    },
}

/// `readiness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Readiness {
    /// `"started"`: once its program runs.
    #[default]
    Started,
    /// `"notify"`: once it says `READY=1` (sd_notify(3)).
    Notify,
    /// `"fd:3"`: once it writes a line to that descriptor, 3 or above (s6).
    Fd(u32),
    /// `"healthy"`: once its health check passes.
    Healthy,
}
