//! `io.orlop.services.List`: one service as people and programs see it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// The actual state of a service; the supervisor's states under the names that all rooms use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Wanted, waits for what it depends on.
    Waiting,
    /// Being launched.
    Starting,
    /// Its main process runs.
    Up,
    /// Was asked to stop.
    Stopping,
    /// Ended; a restart is due.
    BackingOff,
    /// Not running and not wanted, or done.
    Down,
    /// Ended with a failure and stays down.
    Failed,
}

impl State {
    /// The name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Stopping => "stopping",
            Self::BackingOff => "backing-off",
            Self::Down => "down",
            Self::Failed => "failed",
        }
    }
}

/// How the last main process ended: `{"code": 1}` or `{"signal": 9}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// It exited.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

/// What a service's health check says, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No probe has passed yet, nor failed often enough.
    Starting,
    /// The last probe passed.
    Healthy,
    /// The last probes failed.
    Unhealthy,
}

/// A service's health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthInfo {
    /// What it says.
    pub verdict: Verdict,
    /// Failures in a row.
    pub failing_streak: u32,
    /// What the last probe said, 4 KiB at most.
    pub output: String,
}

/// How one life of a service ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastExit {
    /// How long ago, milliseconds.
    pub ago_ms: u64,
    /// Why, one fragment.
    pub cause: String,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The machine's address; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host_ip: Option<Ipv4Addr>,
    /// The machine's port.
    pub published: u16,
    /// The container's port.
    pub target: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// The reply of `List`: the services, and what stands against the machine itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// By name.
    pub services: Vec<ServiceInfo>,
    /// What is wrong with the machine until the power goes, such as a bad block of its system: one
    /// sentence each.
    #[serde(default)]
    pub notices: Vec<String>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceInfo {
    /// The name.
    pub name: String,
    /// The image's name.
    pub image: String,
    /// What it does.
    pub state: State,
    /// How long it has been in that state, milliseconds.
    pub since_ms: u64,
    /// Why it is in that state, one fragment.
    pub cause: String,
    /// The main process in the machine's pid namespace, while there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<u32>,
    /// Restarts that happened by themselves.
    pub restarts: u32,
    /// How the last main process ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_exit: Option<Exit>,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Its address on the bridge.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<Ipv4Addr>,
    /// `restricted`, `baseline` or `privileged`.
    pub isolation: String,
    /// What its health check says, when it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub health: Option<HealthInfo>,
    /// What it says of itself (`STATUS=` of sd_notify(3)).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status_text: Option<String>,
    /// When its schedule starts it next, milliseconds from now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_run_in_ms: Option<u64>,
    /// Its last ends, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub last_exits: Vec<PastExit>,
    /// How often the kernel killed in it for want of memory.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub oom_kills: u64,
    /// The service that it is an instance of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replica_of: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
