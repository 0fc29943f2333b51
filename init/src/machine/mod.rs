//! The loop: turns what happens into events, lets the supervisor decide, performs what it decides.
//!
//! ```text
//!  signals, exits, cgroup.events, control calls, network, deadlines
//!        │ one select!, one event at a time
//!        ▼
//!  supervisor.step(event, now) ── effects ──► launches, signals, cgroup.kill, replies
//!        ▲                                          │ tasks on the same thread
//!        └────────────── what came of them ─────────┘
//! ```
//! Only the supervisor changes the state of a service; only the loop calls the supervisor.

mod effects;
mod network_stage;
mod requests;
mod screen;
mod service_info;

use std::collections::BTreeMap;
use std::fs;
use std::future::pending;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use orlop_config::{Checked, Diagnostic, Service, ServiceName, Severity};
use orlop_container::cgroup;
use orlop_container::private_proc::PrivateProc;
use orlop_control::server::{Incoming, Responder};
use orlop_supervisor::{Event, Shutdown, Supervisor};
use tokio::io::Interest;
use tokio::sync::mpsc;

use crate::boot_info::BootInfo;
use crate::clock::boottime;
use crate::emergency;
use crate::logs;
use crate::network::{NetworkEvent, NetworkHandle};
use crate::ports;
use crate::reaper::Reaper;
use crate::report::Report;
use crate::running::{
    CgroupWatch, RESOLV_CONF, RUN, SERVICES_CGROUP, STAGING, Shared, Unit, settled,
};
use crate::shutdown;
use crate::signals;
use crate::stage::{Stage, chain};
use crate::stages::devices;
use crate::stages::early_mounts::CGROUP_ROOT;
use crate::stages::identity::Identity;
use crate::stages::kernel_modules::{SYSTEM_MODULES, load_batch};
use crate::stages::storage::Storage;
use crate::watched::watch;
use requests::Requests;
pub(crate) use requests::bind;

/// Control calls that wait for the loop at the most; further ones wait in their connections.
const CALLS: usize = 16;

/// A person at the console wonders after this long what a shutdown waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long services wait for granted devices that do not appear.
const DEVICES: Duration = Duration::from_secs(2);

/// What the stages hand to the loop.
#[derive(Debug)]
pub struct Booted {
    /// Where things are said.
    pub report: Report,
    /// Who waits for processes.
    pub reaper: Reaper,
    /// The builder's facts.
    pub info: BootInfo,
    /// Whether the state outlives the power.
    pub storage: Storage,
    /// The checked manifests.
    pub config: Checked,
    /// The machine's id.
    pub identity: Identity,
    /// When the kernel handed over to PID 1.
    pub handed_over: Duration,
}

/// Everything that can happen to the loop.
#[derive(Debug)]
pub enum LoopEvent {
    /// For the supervisor as it is.
    Supervisor(Event),
    /// A service's cgroup.events changed; the state is read, never inferred (edge case 15).
    CgroupChanged(ServiceName),
    /// The network has something to say.
    Network(NetworkEvent),
    /// The links that want DHCP now.
    DhcpLinks(Vec<String>),
    /// The machine shall end.
    Shutdown(Shutdown),
    /// The end of the machine takes its time.
    StillStopping,
}

/// PID 1 after the boot.
pub(crate) struct Machine {
    pub(crate) supervisor: Supervisor,
    pub(crate) units: BTreeMap<ServiceName, Unit>,
    pub(crate) shared: Rc<Shared>,
    pub(crate) requests: Requests,
    pub(crate) booted_at: Duration,
    /// Who waits for the end of the boot.
    pub(crate) waiting_for_boot: Vec<Responder>,
    /// What was asked for first.
    ending: Option<Shutdown>,
    ended: Option<Shutdown>,
}

/// Runs the machine until it ends.
pub async fn run(mut booted: Booted) -> ! {
    let started = boottime();
    let (events, mut inbox) = mpsc::unbounded_channel();
    let (calls, mut incoming) = mpsc::channel(CALLS);
    let report = booted.report.clone();
    let reaper = booted.reaper.clone();
    let (network, news) = NetworkHandle::start(booted.config.machine.network.clone());
    let cgroups = match CgroupWatch::start(events.clone()) {
        Ok(cgroups) => cgroups,
        Err(error) => emergency::enter_with_report(&report, &format!("watching cgroups: {error}")),
    };
    let proc = match PrivateProc::open() {
        Ok(proc) => proc,
        Err(error) => emergency::enter_with_report(&report, &chain(&error)),
    };
    prepare_run(&report);
    enable_controllers(&report, booted.config.services.values());
    let findings = std::mem::take(&mut booted.config.diagnostics);
    let mut machine = Machine::new(booted, events.clone(), calls, network, cgroups, proc);
    start_sources(&machine.shared, &events, machine.wanted_devices());
    let stage = network_stage::run(machine.shared.clone(), machine.published(), news);
    tokio::task::spawn_local(stage);
    tell_left_out(&report, &findings, &machine.shared.broken);
    machine.step(Event::Boot);
    report.stage(Stage::Supervise, boottime().saturating_sub(started), &[]);
    let kind = machine.turn(&mut inbox, &mut incoming).await;
    shutdown::finish(&report, &reaper, kind).await
}

impl Machine {
    fn new(
        booted: Booted,
        events: mpsc::UnboundedSender<LoopEvent>,
        calls: mpsc::Sender<Incoming>,
        network: NetworkHandle,
        cgroups: CgroupWatch,
        proc: PrivateProc,
    ) -> Self {
        let mut seed = [0_u8; 8];
        // Without randomness all machines back off in step: harmless.
        let _no_jitter = fs::File::open("/dev/urandom")
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut seed));
        let supervisor = Supervisor::new(booted.config.services.values(), u64::from_ne_bytes(seed));
        let units: BTreeMap<_, _> = booted
            .config
            .services
            .values()
            .zip(1_u32..)
            .map(|(service, index)| (service.name.clone(), Unit::new(service, index)))
            .collect();
        let early = Unit::count_early(&units);
        let shared = Rc::new(Shared {
            network,
            cgroups,
            proc,
            logs: logs::start(),
            report: booted.report,
            reaper: booted.reaper,
            info: booted.info,
            storage: booted.storage,
            machine: booted.config.machine,
            broken: booted.config.broken,
            identity: booted.identity,
            handed_over: booted.handed_over,
            events,
            calls,
            network_settled: tokio::sync::watch::Sender::new(false),
            network_loaded: tokio::sync::watch::Sender::new(false),
            early_launches: tokio::sync::watch::Sender::new(early),
            devices_settled: tokio::sync::watch::Sender::new(false),
            overlay: tokio::sync::OnceCell::new(),
        });
        Self {
            supervisor,
            units,
            shared,
            requests: Requests::default(),
            booted_at: Duration::ZERO,
            waiting_for_boot: Vec::new(),
            ending: None,
            ended: None,
        }
    }

    /// The device nodes that some manifest grants.
    fn wanted_devices(&self) -> Vec<PathBuf> {
        let services = self.units.values().map(|unit| &unit.service);
        let devices = services.flat_map(|service| &service.devices);
        devices.map(|device| device.source.clone()).collect()
    }

    /// One event at a time, until the machine ends.
    async fn turn(
        &mut self,
        inbox: &mut mpsc::UnboundedReceiver<LoopEvent>,
        calls: &mut mpsc::Receiver<Incoming>,
    ) -> Shutdown {
        loop {
            if let Some(kind) = self.ended {
                return kind;
            }
            tokio::select! {
                // What the kernel says goes before what clients ask: a flood of calls cannot keep
                // the loop from seeing an exit.
                biased;
                Some(event) = inbox.recv() => self.take(event),
                () = until(self.supervisor.next_deadline()) => self.step(Event::Deadline),
                Some(incoming) = calls.recv() => self.request(incoming),
            }
            self.shared.report.flush();
        }
    }

    fn take(&mut self, event: LoopEvent) {
        match event {
            LoopEvent::Supervisor(event) => self.step(event),
            LoopEvent::CgroupChanged(service) => self.cgroup_changed(&service),
            LoopEvent::Network(event) => self.network_event(event),
            LoopEvent::DhcpLinks(links) => self.dhcp_links(&links),
            LoopEvent::Shutdown(kind) => self.shut_down(kind),
            LoopEvent::StillStopping => self.show_waiting(),
        }
    }

    /// The only place that lets the supervisor decide.
    pub(crate) fn step(&mut self, event: Event) {
        for effect in self.supervisor.step(event, boottime()) {
            self.perform(effect);
        }
    }

    /// The first request holds (the supervisor's table); a later one changes nothing.
    pub(crate) fn shut_down(&mut self, kind: Shutdown) {
        let word = shutdown::name(kind);
        if let Some(first) = self.ending {
            let first = shutdown::name(first);
            let report = &self.shared.report;
            report.record(&format!("{word} asked for during {first}: {first} goes on"));
            return;
        }
        self.ending = Some(kind);
        self.shared
            .report
            .line(&format!("Stopping services for {word}…"));
        self.shared
            .report
            .event(&serde_json::json!({"event": "shutdown", "kind": word}));
        let events = self.shared.events.clone();
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(PATIENCE).await;
                let _loop_never_ends = events.send(LoopEvent::StillStopping);
            }
        });
        self.step(Event::Shutdown(kind));
    }

    pub(crate) fn end(&mut self, kind: Shutdown) {
        self.ended = Some(kind);
    }
}

/// Sleeps until a point of CLOCK_BOOTTIME; for ever without one.
async fn until(deadline: Option<Duration>) {
    match deadline {
        Some(at) => tokio::time::sleep(at.saturating_sub(boottime())).await,
        None => pending().await,
    }
}

/// Everything that runs beside the loop and only sends it events.
fn start_sources(
    shared: &Rc<Shared>,
    events: &mpsc::UnboundedSender<LoopEvent>,
    wanted: Vec<PathBuf>,
) {
    match signals::shutdown_requests() {
        Ok(streams) => {
            for (mut stream, kind) in streams {
                let events = events.clone();
                tokio::task::spawn_local(async move {
                    loop {
                        stream.recv().await;
                        let _loop_never_ends = events.send(LoopEvent::Shutdown(kind));
                    }
                });
            }
        }
        Err(error) => shared.report.warn(&format!("catching signals: {error}")),
    }
    // Ctrl-Alt-Del sends SIGINT instead of resetting at once (reboot(2), LINUX_REBOOT_CMD_CAD_OFF).
    let _absent_in_a_container = orlop_sys::power::route_ctrl_alt_del_to_init();
    tokio::task::spawn_local(machine_devices(shared.clone(), wanted));
    requests::listen_for_root(shared);
}

/// The batch `machine`: ports and the power button, off the path of the services. Modules load one
/// after the other in the kernel, and more services wait for the network's.
///
/// The host names a port some time after its driver is there, so uevents are listened to from before
/// the load on, for good.
async fn machine_devices(shared: Rc<Shared>, wanted: Vec<PathBuf>) {
    settled(&shared.network_loaded).await;
    let uevents = orlop_sys::uevent::open()
        .ok()
        .and_then(|socket| watch(socket, Interest::READABLE).ok());
    let modules = Path::new(SYSTEM_MODULES);
    if let Err(reason) = load_batch(&shared.reaper, modules, &shared.info.modules.machine).await {
        shared.report.warn(&reason);
    }
    let mut events_port = Some(Path::new(ports::PORTS).join(ports::EVENTS_PORT));
    let deadline = boottime() + DEVICES;
    let button = ports::power_button();
    tokio::pin!(button);
    loop {
        if let Err(error) = ports::link_ports() {
            shared.report.warn(&format!("naming virtio ports: {error}"));
        }
        if let Some(port) = events_port.take_if(|port| port.exists()) {
            shared.report.open_events(&port);
        }
        let late = deadline.saturating_sub(boottime());
        if late.is_zero() || wanted.iter().all(|device| device.exists()) {
            shared.devices_settled.send_replace(true);
        }
        let settled = *shared.devices_settled.borrow();
        tokio::select! {
            () = devices::changed(uevents.as_ref()) => {}
            () = tokio::time::sleep(late), if !settled => {}
            () = &mut button => {
                let _loop_never_ends = shared.events.send(LoopEvent::Shutdown(Shutdown::PowerOff));
                return;
            }
        }
    }
}

/// Every error of every service that is left out, in the words of `orlop check`, and who else is left
/// out for its sake.
fn tell_left_out(report: &Report, findings: &[Diagnostic], broken: &BTreeMap<String, String>) {
    let mut told = Vec::new();
    for finding in findings {
        if finding.severity == Severity::Error && finding.file.starts_with("services/") {
            let sentence = finding.to_string();
            report.warn(&format!("  ! {sentence}"));
            told.push(sentence);
        }
    }
    for (name, reason) in broken {
        if !told.contains(reason) {
            report.warn(&format!("  ! {name}: {reason}"));
        }
    }
}

/// Directories that only PID 1 uses, and the cgroup that all services' cgroups are in.
fn prepare_run(report: &Report) {
    let private = [RUN, "/run/orlop/control", STAGING];
    let mut results: Vec<(String, std::io::Result<()>)> = private
        .iter()
        .map(|path| {
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path);
            ((*path).to_owned(), made)
        })
        .collect();
    results.push((RESOLV_CONF.to_owned(), fs::write(RESOLV_CONF, "")));
    results.push((
        SERVICES_CGROUP.to_owned(),
        fs::create_dir_all(SERVICES_CGROUP),
    ));
    for (path, result) in results {
        if let Err(error) = result {
            report.warn(&format!("making {path}: {error}"));
        }
    }
}

/// Only the controllers that some service's limits use: each costs every service's cgroup.
fn enable_controllers<'a>(report: &Report, services: impl Iterator<Item = &'a Service>) {
    let mut needed: Vec<cgroup::Controller> = services
        .flat_map(cgroup::plan_limits)
        .map(|limit| limit.controller)
        .collect();
    needed.sort_unstable();
    needed.dedup();
    for base in [CGROUP_ROOT, SERVICES_CGROUP] {
        if let Err(error) = cgroup::enable_controllers(Path::new(base), &needed) {
            report.warn(&chain(&error));
        }
    }
}
