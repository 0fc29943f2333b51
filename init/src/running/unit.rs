//! One service as PID 1 holds it: what is kept over restarts, and the main process while there is one.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use orlop_config::{NetworkMode, Service, ServiceName};
use orlop_container::cgroup::{Cgroup, CgroupError};
use orlop_container::namespaces::KeptNamespaces;
use orlop_container::plan::namespace_spec;
use orlop_supervisor::ServiceState;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Shared;
use super::cgroup_watch::CgroupWatch;
use super::image::Place;
use super::main_process::MainProcess;
use super::passed::LEASE_GRANT;
use super::planned::Planned;
use super::probe::Probing;
use crate::logs::{LogMessage, Pipes};
use crate::notify::NotifySocket;
use orlop_config::compact::gather;

/// The grant that makes a service the reader of all logs.
const LOG_GRANT: &str = "log.streams";

/// A handle: clones are the same service.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The manifest.
    pub service: Rc<Service>,
    /// The first of the service's ids in the machine; 0 in the machine's own user namespace.
    pub id_base: u32,
    held: Rc<RefCell<Held>>,
}

/// What is held for the service now.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) namespaces: Option<Rc<KeptNamespaces>>,
    pub(super) pipes: Option<Pipes>,
    pub(super) cgroup: Option<Cgroup>,
    pub(super) cgroup_watches: Vec<CgroupWatch>,
    /// Its image and user, once it was launched.
    pub(super) place: Option<Rc<Place>>,
    /// The last launch's plan.
    pub(super) planned: Option<Planned>,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) attached: bool,
    pub(super) control: Option<JoinHandle<()>>,
    /// Whether its first launch is still to come and waits for no module.
    pub(super) early: bool,
    /// The main process, until it was reaped.
    pub(super) main: Option<Rc<MainProcess>>,
    /// Another one that the service named as its main process: signals go to it.
    pub(super) declared: Option<Rc<MainProcess>>,
    /// The number of the launch that is or was the last.
    pub(super) life: u64,
    /// Where it says how it is, once it was launched and if it may.
    pub(super) notify: Option<NotifySocket>,
    /// Told of each kill, for a launch that has no process yet.
    pub(super) killed: Rc<Notify>,
    /// Its health probes.
    pub(super) probing: Probing,
    /// How many kills for want of memory were told.
    pub(super) oom_kills: u64,
    /// Names of the sockets that the main process was given for DHCP.
    pub(super) dhcp_sockets: BTreeSet<String>,
    /// The other end of the log channel, between the launch of a log reader and its being up.
    pub(super) log_channel: Option<OwnedFd>,
}

impl Held {
    /// The main process was reaped, and with it all others of its pid namespace.
    pub(super) fn forget_main(&mut self) {
        self.main = None;
        self.declared = None;
    }
}

impl Unit {
    /// A service whose id range starts at `id_base` (see [`super::id_bases`]).
    #[must_use]
    pub fn new(service: &Service, id_base: u32) -> Self {
        let own = namespace_spec(service, id_base).id_base;
        let unit = Self {
            service: Rc::new(service.clone()),
            id_base: own.unwrap_or(0),
            held: Rc::default(),
        };
        unit.held_mut().early = !unit.waits_for_modules();
        unit
    }

    /// How many of these wait for no module before their first launch.
    #[must_use]
    pub fn count_early(units: &BTreeMap<ServiceName, Self>) -> usize {
        units.values().filter(|unit| unit.held().early).count()
    }

    /// Whether this is the end of the first launch of one of those.
    #[must_use]
    pub fn ends_first_launch(&self) -> bool {
        std::mem::take(&mut self.held_mut().early)
    }

    fn waits_for_modules(&self) -> bool {
        let mut devices = self.service.devices.iter();
        self.is_bridged()
            || self.holds(LEASE_GRANT)
            || devices.any(|device| !device.source.exists())
    }

    pub(super) fn held(&self) -> Ref<'_, Held> {
        self.held.borrow()
    }

    pub(super) fn held_mut(&self) -> RefMut<'_, Held> {
        self.held.borrow_mut()
    }

    /// Whether the manifest grants what a socket stands for, by name: `*` grants methods only.
    #[must_use]
    pub fn holds(&self, grant: &str) -> bool {
        let mut grants = self.service.control.iter();
        grants.any(|held| held.as_str() != "*" && held.covers(grant))
    }

    /// Whether it is the one that reads all logs.
    #[must_use]
    pub fn reads_logs(&self) -> bool {
        self.holds(LOG_GRANT)
    }

    /// Whether it holds the grant for leases, and its sockets are not those of `links`.
    #[must_use]
    pub fn has_other_dhcp_links(&self, links: &[String]) -> bool {
        let wanted: BTreeSet<String> = gather(links.iter().map(|link| format!("dhcp4.{link}")));
        let held = self.held();
        let passed = held
            .dhcp_sockets
            .iter()
            .filter(|name| name.starts_with("dhcp4."));
        self.holds(LEASE_GRANT) && !passed.eq(wanted.iter())
    }

    /// Whether it has a veth on the bridge.
    #[must_use]
    pub fn is_bridged(&self) -> bool {
        self.service.network_mode == NetworkMode::Bridge
    }

    /// Its address on the bridge.
    #[must_use]
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.held().address
    }

    /// The inode of its cgroup, while it has one.
    #[must_use]
    pub fn cgroup_inode(&self) -> Option<u64> {
        let held = self.held();
        let status = nix::sys::stat::fstat(held.cgroup.as_ref()?);
        status.ok().map(|status| status.st_ino)
    }

    /// Notified when it is killed.
    pub(super) fn killed(&self) -> Rc<Notify> {
        self.held().killed.clone()
    }

    /// Kills everything in the cgroup, and a launch that still waits for the machine.
    ///
    /// # Errors
    /// One fragment.
    pub fn kill_cgroup(&self) -> Result<(), String> {
        let held = self.held();
        held.killed.notify_waiters();
        match &held.cgroup {
            Some(cgroup) => cgroup.kill().map_err(|error| crate::stage::chain(&error)),
            None => Ok(()),
        }
    }

    /// Whether it has a main process.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.held().main.is_some()
    }

    /// Whether nothing of it runs: the main process was reaped and the cgroup is empty.
    ///
    /// # Errors
    /// When the cgroup cannot be read (ENOMEM): then that is not known.
    pub fn is_gone(&self) -> Result<bool, CgroupError> {
        let held = self.held();
        match &held.cgroup {
            _ if held.main.is_some() => Ok(false),
            Some(cgroup) => cgroup.is_populated().map(|populated| !populated),
            None => Ok(true),
        }
    }

    /// Follows the supervisor: the reader of logs is told of pipes only while it runs.
    pub fn state_changed(&mut self, state: ServiceState, shared: &Shared) {
        if !self.reads_logs() {
            return;
        }
        match state {
            ServiceState::Up => {
                if let Some(channel) = self.held_mut().log_channel.take() {
                    shared.logs.tell(LogMessage::Up(channel));
                }
            }
            ServiceState::Starting | ServiceState::Waiting => {}
            _ => shared.logs.tell(LogMessage::Down),
        }
    }

    /// Lets go of what was kept, when the service is no longer wanted. Its pipes stay: what it wrote
    /// last may still be in them.
    pub fn release(&mut self, shared: &Rc<Shared>) {
        let mut held = self.held_mut();
        held.namespaces = None;
        held.planned = None;
        held.address = None;
        held.probing = Probing::default();
        if let Some(control) = held.control.take() {
            control.abort();
        }
        held.cgroup_watches.clear();
        if let Some(cgroup) = held.cgroup.take()
            && let Err(error) = cgroup.remove()
        {
            let name = &self.service.name;
            shared
                .report
                .warn(&format!("{name}: {}", crate::stage::chain(&error)));
        }
        if std::mem::take(&mut held.attached) {
            let network = shared.network.clone();
            let name = self.service.name.clone();
            // The kernel deletes the veth with the namespace, whose last descriptor went above.
            crate::task::spawn(async move {
                let _gone_with_the_namespace = network.detach(&name).await;
            });
        }
    }
}
