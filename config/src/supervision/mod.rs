//! How a service is kept running: everything beyond `depends_on`, `restart` and the stop keys.

mod health;
mod need;
mod policy;
mod readiness;
mod replica;
mod schedule;

use std::collections::BTreeSet;
use std::time::Duration;

pub use health::{HealthCheck, HealthTest, OnUnhealthy};
pub use need::Need;
pub use policy::{EndStatus, MachineAction, OnFailure, OomPolicy, StartLimit};
pub use readiness::{Kind, Readiness};
pub use replica::Replica;
pub use schedule::{Missed, Overlap, Schedule, Trigger};

use crate::ServiceName;

/// The first back-off before an automatic restart: `restart_delay` when not written.
pub(crate) const RESTART_DELAY: Duration = Duration::from_millis(100);
/// The back-off doubles up to this: `restart_max_delay` when not written.
pub(crate) const RESTART_MAX_DELAY: Duration = Duration::from_secs(60);
/// `restart_reset_after` when not written: Docker's ten seconds.
pub(crate) const RESTART_RESET_AFTER: Duration = Duration::from_secs(10);

/// What a manifest says of how its service is supervised, every default applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervision {
    /// `type`: what "up" means for those who wait.
    pub kind: Kind,
    /// `readiness`: when a started service counts as up.
    pub readiness: Readiness,
    /// `start_timeout`: how long after the launch it may take to be up (systemd's TimeoutStartSec);
    /// endless when absent. Default 90 s unless readiness is [`Readiness::Started`]; what runs once
    /// has none unless written. The launch itself has its own bound.
    pub start_timeout: Option<Duration>,
    /// `watchdog`: the longest time between two `WATCHDOG=1` (systemd's WatchdogSec).
    pub watchdog: Option<Duration>,
    /// `healthcheck`.
    pub health: Option<HealthCheck>,
    /// `on_unhealthy`.
    pub on_unhealthy: OnUnhealthy,
    /// `restart_delay`: the first back-off; default 100 ms.
    pub restart_delay: Duration,
    /// `restart_max_delay`: the back-off doubles up to this; default 60 s, never below the first.
    pub restart_max_delay: Duration,
    /// `restart_reset_after`: who was up this long has its row of restarts counted from 0 again;
    /// default 10 s.
    pub restart_reset_after: Duration,
    /// `deploy.restart_policy.max_attempts`, for policies other than `on-failure` (which holds its
    /// own): automatic restarts in a row at the most, then the service has failed. Endless when
    /// absent. [`Service::max_attempts`](crate::Service::max_attempts) answers for every policy.
    pub max_attempts: Option<u32>,
    /// `start_limit`.
    pub start_limit: Option<StartLimit>,
    /// `success_exit_status`: ends that count as success beside the usual ones.
    pub success_exit_status: Vec<EndStatus>,
    /// `restart_prevent_exit_status`: after these it is not started again whatever the policy says.
    pub restart_prevent_exit_status: Vec<EndStatus>,
    /// `restart_force_exit_status`: after these it is started again whatever the policy says.
    pub restart_force_exit_status: Vec<EndStatus>,
    /// `on_failure`: what happens when it has failed for good.
    pub on_failure: OnFailure,
    /// `oom_policy`.
    pub oom_policy: OomPolicy,
    /// `after`: order only. Waits for these when they are being started as well; at a shutdown they
    /// end after this one.
    pub after: BTreeSet<ServiceName>,
    /// `before`: the same from the other side.
    pub before: BTreeSet<ServiceName>,
    /// `needs`: what the machine must have before a start.
    pub needs: Vec<Need>,
    /// `schedule`.
    pub schedule: Option<Schedule>,
    /// Whether it is wanted at the boot: false for `scale = 0` (defined, started by request or by
    /// another one's `on_failure` only) and for what a schedule starts.
    pub start_at_boot: bool,
    /// Which instance of a scaled service this is; `None` without `scale` or with `scale = 1`.
    pub replica: Option<Replica>,
}

impl Default for Supervision {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            readiness: Readiness::default(),
            start_timeout: None,
            watchdog: None,
            health: None,
            on_unhealthy: OnUnhealthy::default(),
            restart_delay: RESTART_DELAY,
            restart_max_delay: RESTART_MAX_DELAY,
            restart_reset_after: RESTART_RESET_AFTER,
            max_attempts: None,
            start_limit: None,
            success_exit_status: Vec::new(),
            restart_prevent_exit_status: Vec::new(),
            restart_force_exit_status: Vec::new(),
            on_failure: OnFailure::default(),
            oom_policy: OomPolicy::default(),
            after: BTreeSet::new(),
            before: BTreeSet::new(),
            needs: Vec::new(),
            schedule: None,
            start_at_boot: true,
            replica: None,
        }
    }
}
