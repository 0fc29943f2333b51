//! What the journal says.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A record with its line's number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Numbered {
    pub(super) n: u64,
    #[serde(flatten)]
    pub(super) record: Record,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// What is so of the machine from now on.
    Machine(MachineFacts),
    /// What is so of a service from now on.
    Service(Box<Facts>),
    /// What is about to be done. Its line's number names it.
    Intent(Intent),
    /// As an intent of an earlier journal.
    StillOpen {
        /// Its number there.
        intent: u64,
        /// The deed.
        of: Intent,
    },
    /// A deed is done, or it never will be.
    Done {
        /// The intent's number.
        intent: u64,
    },
}

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// When the boot was complete, microseconds of CLOCK_BOOTTIME.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub booted_us: Option<u64>,
    /// The end that was asked for: `poweroff`, `reboot` or `halt`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ending: Option<String>,
    /// How many requests were numbered: an answer to an earlier one is to nobody.
    pub requests: u64,
}

/// A service. Times are microseconds of CLOCK_BOOTTIME.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its name; its cgroup, sockets and volumes follow from it.
    pub name: String,
    /// The desired state: whether it shall be up.
    pub wanted: bool,
    /// The actual state, in the words of `orlop ps`.
    pub state: String,
    /// Since when.
    pub since_us: u64,
    /// Why.
    pub cause: String,
    /// The number of its last launch.
    pub life: u64,
    /// The main process, while there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<u32>,
    /// When that process started, in ticks (proc_pid_stat(5)): with the pid it names one process only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start_time: Option<u64>,
    /// The first of its ids.
    pub id_base: u32,
    /// Its cgroup's inode: another of the same name is not it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cgroup: Option<u64>,
    /// Its address on the bridge.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<Ipv4Addr>,
    /// Restarts that happened by themselves.
    pub restarts: u32,
    /// Its last ends, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub exits: Vec<Exit>,
    /// What is due when.
    pub due: Deadlines,
    /// Failures of its health check in a row.
    pub failing: u32,
    /// Kills for want of memory.
    pub oom_kills: u64,
    /// When its schedule starts it next, seconds since 1970 UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_run: Option<u64>,
}

/// What is due when, microseconds of CLOCK_BOOTTIME.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// The end of its phase: a back-off, a start, a stop.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phase_us: Option<u64>,
    /// The next probe, or the end of the one under way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub health_us: Option<u64>,
    /// The watchdog.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub watchdog_us: Option<u64>,
    /// The schedule.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schedule_us: Option<u64>,
}

/// One end of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// When.
    pub at_us: u64,
    /// Its exit code, when it had one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<i32>,
    /// The signal that ended it, when one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signal: Option<i32>,
    /// Why.
    pub cause: String,
}

/// What is about to be done to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Whose.
    pub service: String,
    /// What.
    pub deed: Deed,
    /// The number of the launch, or of the signal; else 0.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub number: u64,
}

/// What is done to services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// A main process is made.
    Launch,
    /// The main process gets a signal.
    Signal,
    /// All of the cgroup is killed.
    Kill,
    /// What was kept is let go.
    Release,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
