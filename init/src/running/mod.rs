//! What PID 1 keeps for each wanted service, and the effects on it: launch, signal, kill, release.
//!
//! User namespace, network namespace, cgroup, id range and pipes live as long as the service is
//! wanted, over its restarts; a launch only makes the main process anew.

mod cgroup_watch;
mod control_socket;
mod emptied;
mod enter;
mod exec;
mod id_ranges;
mod image;
mod launch;
mod main_process;
mod passed;
mod planned;
mod probe;
mod readiness;
mod reserve;
mod stop;
mod unit;
mod volumes;
mod waits;

use std::collections::BTreeMap;
use std::time::Duration;

use orlop_config::Machine;
use orlop_container::private_proc::PrivateProc;
use orlop_control::server::Incoming;
use tokio::sync::{OnceCell, mpsc, watch};

use crate::boot_info::BootInfo;
use crate::logs::LogBroker;
use crate::machine::{LoopEvent, Notices};
use crate::names::Names;
use crate::network::NetworkHandle;
use crate::reaper::Reaper;
use crate::report::Report;
use crate::stages::identity::Identity;
use crate::stages::storage::Storage;
use crate::watchdog::Watchdog;
pub use exec::exec;
pub use id_ranges::id_bases;
pub use launch::launch;
pub use probe::probe;
pub use readiness::read_out;
pub use reserve::Reserve;
pub use unit::Unit;

/// Where PID 1 keeps what only it uses: sockets, staging mounts.
pub const RUN: &str = "/run/orlop";
/// Where a launch assembles a root, in a mount namespace of its own.
pub const STAGING: &str = "/run/orlop/staging";
/// The cgroup all services' cgroups are in.
pub const SERVICES_CGROUP: &str = "/sys/fs/cgroup/services";

/// What the loop and the tasks beside it share, on one thread.
#[derive(Debug)]
pub struct Shared {
    /// The network's one owner.
    pub network: NetworkHandle,
    /// What services find others by.
    pub names: Names,
    /// The log service's other side.
    pub logs: LogBroker,
    /// Where things are said.
    pub report: Report,
    /// What stands against the machine.
    pub notices: Notices,
    /// Who waits for processes.
    pub reaper: Reaper,
    /// What every launch uses.
    pub proc: PrivateProc,
    /// Descriptors for the worst case.
    pub reserve: Reserve,
    /// The builder's facts.
    pub info: BootInfo,
    /// Whether the state outlives the power.
    pub storage: Storage,
    /// The checked `system.toml`.
    pub machine: Machine,
    /// Services that are left out, with the reason.
    pub broken: BTreeMap<String, String>,
    /// The machine's id.
    pub identity: Identity,
    /// When the kernel handed over to PID 1.
    pub handed_over: Duration,
    /// To the loop.
    pub events: mpsc::UnboundedSender<LoopEvent>,
    /// To the loop, from control connections.
    pub calls: mpsc::Sender<Incoming>,
    /// Whether the stage `network` has ended, well or not.
    pub network_settled: watch::Sender<bool>,
    /// Whether the batch `network` has been loaded, as far as it loads.
    pub network_loaded: watch::Sender<bool>,
    /// How many services that wait for no module are still before the end of their first launch.
    pub early_launches: watch::Sender<usize>,
    /// Whether every service of the boot has come up, ended or failed once.
    pub booted: watch::Sender<bool>,
    /// The watchdog, once it was looked at: none that works.
    pub watchdog: OnceCell<Option<Watchdog>>,
    /// Whether the batch `machine` has been loaded and its ports are named.
    pub devices_settled: watch::Sender<bool>,
    /// How the load of the batch `overlay` went, once somebody needed it.
    pub overlay: OnceCell<Result<(), String>>,
}

/// Resolves once the watched value is true.
pub(crate) async fn settled(sender: &watch::Sender<bool>) {
    let mut receiver = sender.subscribe();
    let _sender_lives = receiver.wait_for(|settled| *settled).await;
}
