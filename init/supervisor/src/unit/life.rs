//! What is known of one life, from `Launch` to the empty cgroup.

use std::time::Duration;

use crate::restart::Kind;
use crate::{ExitStatus, Time};

/// A kill for want of memory explains an end by SIGKILL that is reported so soon after it.
const OOM_EXPLAINS: Duration = Duration::from_secs(1);

/// One life.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    /// The number that its `Launch` gave.
    pub(crate) serial: u64,
    /// `Launched` came, at this time.
    pub(crate) up: Option<Time>,
    /// Its launch waits for the machine, without a process.
    pub(crate) waits: bool,
    /// It said that it is ready; may be read before `Launched`.
    pub(crate) said_ready: bool,
    /// It was up, in the sense of its readiness.
    pub(crate) was_ready: bool,
    /// It is ready and healthy since then.
    pub(crate) well_since: Option<Time>,
    /// `MainExited` came (it may come before `Launched` is read), at this time.
    pub(crate) exit: Option<(ExitStatus, Time)>,
    /// `CgroupEmpty` came.
    pub(crate) empty: bool,
    /// What the supervisor itself found wrong with it, before its end.
    pub(crate) trouble: Option<(Kind, String)>,
    /// The kernel killed some of it for want of memory, at this time.
    pub(crate) oom: Option<Time>,
    /// The last `ERRNO=`.
    pub(crate) errno: Option<u16>,
    /// Its watchdog's time, when it set one itself.
    pub(crate) watchdog: Option<Duration>,
}

impl Life {
    /// Whether the main process runs, as far as is known.
    pub(crate) fn main_runs(&self) -> bool {
        self.up.is_some() && self.exit.is_none()
    }

    /// How it ended, once nothing of it is left.
    pub(crate) fn over(&self) -> Option<ExitStatus> {
        match (self.up, self.exit, self.empty) {
            (Some(_), Some((status, _)), true) => Some(status),
            _ => None,
        }
    }

    /// Whether want of memory explains an end by SIGKILL.
    pub(crate) fn out_of_memory(&self) -> bool {
        match (self.oom, self.exit) {
            (Some(oom), Some((_, exit))) => exit <= oom.saturating_add(OOM_EXPLAINS),
            _ => false,
        }
    }

    /// It begins to end now: what it does until then does not count as being well.
    pub(crate) fn begin_end(&mut self, now: Time, reset_after: Duration) {
        self.well_since = self
            .well_since
            .filter(|since| now.saturating_sub(*since) >= reset_after);
    }

    /// Whether it was well for so long when its main process ended.
    pub(crate) fn proved_itself(&self, reset_after: Duration) -> bool {
        match (self.well_since, self.exit) {
            (Some(since), Some((_, exit))) => exit.saturating_sub(since) >= reset_after,
            _ => false,
        }
    }
}
