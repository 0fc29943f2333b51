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

mod asked;
mod boot_times;
mod effects;
mod ground;
mod hardware;
mod journaled;
mod network_stage;
mod notices;
mod requests;
mod screen;
mod service_info;
mod slew_limit;
mod sources;
mod state_watch;
mod time_adjust;
mod wall_clock;

use std::collections::BTreeMap;
use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use orlop_config::{Checked, Need, NetworkMode, Service, ServiceName};
use orlop_container::private_proc::PrivateProc;
use orlop_control::BootSpan;
use orlop_control::server::{Incoming, Responder};
use orlop_supervisor::{Event, Shutdown, Supervisor};
use tokio::sync::{mpsc, oneshot};

use crate::boot_info::BootInfo;
use crate::clock::boottime;
use crate::emergency;
use crate::logs;
use crate::names::Names;
use crate::needs::Needs;
use crate::network::{NetworkEvent, NetworkHandle, Pool};
use crate::reaper::Reaper;
use crate::report::Report;
use crate::running::{Reserve, Shared, Unit, id_bases};
use crate::shutdown;
use crate::stage::{Stage, chain};
use crate::stages::identity::Identity;
use crate::stages::storage::Storage;
use asked::Requests;
use journaled::Journaled;
pub use notices::Notices;
use orlop_config::compact::gather;
pub(crate) use requests::bind;
use slew_limit::SlewLimit;

/// Control calls that wait for the loop at the most; further ones wait in their connections.
const CALLS: usize = 16;

/// So many events in a row, then a call that waits.
const FAIR: u32 = 32;

/// What the stages hand to the loop.
#[derive(Debug)]
pub struct Booted {
    /// Where things are said.
    pub report: Report,
    /// What stands against the machine already.
    pub notices: Notices,
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
    /// A service's memory.events.local changed; read likewise.
    MemoryChanged(ServiceName),
    /// Something that services need is there, or is not.
    Need(Need, bool),
    /// All events before this one are done: somebody waits for that.
    Reached(oneshot::Sender<()>),
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
    pub(crate) needs: Needs,
    pub(crate) requests: Requests,
    journaled: Journaled,
    pub(crate) booted_at: Duration,
    /// Each service's first start.
    boot_times: BTreeMap<ServiceName, BootSpan>,
    /// How far the clock may be slewed.
    slew_limit: SlewLimit,
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
    let network = &booted.config.machine.network;
    let pool = Pool::new(network.pool, bridged(&booted.config.services));
    let (network, news) = NetworkHandle::start(network.clone(), pool.clone());
    let proc = match PrivateProc::open() {
        Ok(proc) => proc,
        Err(error) => emergency::enter_with_report(&report, &chain(&error)),
    };
    ground::prepare_run(&report);
    ground::enable_controllers(&report, booted.config.services.values());
    let dns = &booted.config.machine.network.dns;
    let names = Names::prepare(booted.config.services.values(), &pool, dns, &report);
    let findings = std::mem::take(&mut booted.config.diagnostics);
    let mut machine = Machine::new(booted, events.clone(), calls, (network, names), proc);
    sources::start_sources(&machine.shared, &events, machine.wanted_devices());
    let stage = network_stage::run(machine.shared.clone(), machine.published(), news);
    crate::task::spawn(stage);
    screen::tell_left_out(&report, &findings, &machine.shared.broken);
    machine.follow_clock();
    crate::task::spawn(report.clone().keep_writing());
    machine.step(Event::Boot);
    report.stage(Stage::Supervise, boottime().saturating_sub(started), &[]);
    let kind = machine.turn(&mut inbox, &mut incoming).await;
    report.write_at_once();
    shutdown::finish(&machine.shared, kind).await
}

impl Machine {
    fn new(
        booted: Booted,
        events: mpsc::UnboundedSender<LoopEvent>,
        calls: mpsc::Sender<Incoming>,
        (network, names): (NetworkHandle, Names),
        proc: PrivateProc,
    ) -> Self {
        let mut seed = [0_u8; 8];
        // Without randomness all machines back off in step: harmless.
        let _no_jitter = fs::File::open("/dev/urandom")
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut seed));
        let supervisor = Supervisor::new(booted.config.services.values(), u64::from_ne_bytes(seed));
        let services = booted.config.services.values().zip(id_bases());
        let units: BTreeMap<_, _> = gather(
            services.map(|(service, id_base)| (service.name.clone(), Unit::new(service, id_base))),
        );
        let early = Unit::count_early(&units);
        let logs = logs::start();
        if let Some(reader) = units.values().find(|unit| unit.reads_logs()) {
            let name = reader.service.name.clone();
            booted.notices.keep_in(logs.clone(), name);
        }
        let shared = Rc::new(Shared {
            network,
            names,
            reserve: Reserve::new(),
            proc,
            logs,
            report: booted.report,
            notices: booted.notices,
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
            booted: tokio::sync::watch::Sender::new(false),
            watchdog: tokio::sync::OnceCell::new(),
            overlay: tokio::sync::OnceCell::new(),
        });
        let needs = Needs::new(&units, shared.clone());
        Self {
            supervisor,
            needs,
            units,
            shared,
            requests: Requests::default(),
            journaled: Journaled::start(),
            booted_at: Duration::ZERO,
            boot_times: BTreeMap::new(),
            slew_limit: SlewLimit::default(),
            waiting_for_boot: Vec::new(),
            ending: None,
            ended: None,
        }
    }

    /// Schedules need the time of day, and to hear of its jumps.
    fn follow_clock(&mut self) {
        let mut units = self.units.values();
        if units.any(|unit| unit.service.supervision.schedule.is_some()) {
            self.step(wall_clock::read());
            let (report, events) = (self.shared.report.clone(), self.shared.events.clone());
            crate::task::spawn(async move {
                if let Err(errno) = wall_clock::follow(events).await {
                    report.warn(&format!("following the clock: {errno}"));
                }
            });
        }
    }

    fn need_changed(&mut self, need: Need, present: bool) {
        if let Some(event) = self.needs.changed(need, present) {
            self.step(event);
        }
    }

    /// The device nodes that some manifest grants or waits for.
    fn wanted_devices(&self) -> Vec<PathBuf> {
        let mut wanted = Vec::new();
        for Unit { service, .. } in self.units.values() {
            wanted.extend(service.devices.iter().map(|device| device.source.clone()));
            wanted.extend(
                service
                    .supervision
                    .needs
                    .iter()
                    .filter_map(|need| match need {
                        Need::Device(path) => Some(path.clone()),
                        _ => None,
                    }),
            );
        }
        wanted
    }

    /// One event at a time, until the machine ends.
    async fn turn(
        &mut self,
        inbox: &mut mpsc::UnboundedReceiver<LoopEvent>,
        calls: &mut mpsc::Receiver<Incoming>,
    ) -> Shutdown {
        let mut in_row = 0_u32;
        loop {
            if let Some(kind) = self.ended {
                self.tell_facts();
                return kind;
            }
            // Nor can a service that does nothing but make events keep a person from being heard.
            in_row = in_row.wrapping_add(1);
            if in_row.is_multiple_of(FAIR)
                && let Ok(incoming) = calls.try_recv()
            {
                self.request(incoming);
            }
            tokio::select! {
                // What the kernel says goes before what clients ask: a flood of calls cannot keep
                // the loop from seeing an exit.
                biased;
                Some(event) = inbox.recv() => self.take(event),
                () = until(self.supervisor.next_deadline()) => self.step(Event::Deadline),
                () = until(self.facts_due()) => self.tell_facts(),
                Some(incoming) = calls.recv() => self.request(incoming),
            }
        }
    }

    fn take(&mut self, event: LoopEvent) {
        match event {
            LoopEvent::Supervisor(event) => self.step(event),
            LoopEvent::CgroupChanged(service) => self.cgroup_changed(&service),
            LoopEvent::MemoryChanged(service) => self.memory_changed(&service),
            LoopEvent::Need(need, present) => self.need_changed(need, present),
            LoopEvent::Reached(answer) => {
                let _asker_gone = answer.send(());
            }
            LoopEvent::Network(event) => self.network_event(event),
            LoopEvent::DhcpLinks(links) => self.dhcp_links(&links),
            LoopEvent::Shutdown(kind) => self.shut_down(kind),
            LoopEvent::StillStopping => self.show_waiting(),
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
        crate::task::spawn(async move {
            for said in 0_u32.. {
                // A long grace period must not scroll the console away.
                let pause = if said < 5 { 1 } else { 5 };
                tokio::time::sleep(shutdown::PATIENCE * pause).await;
                let _loop_never_ends = events.send(LoopEvent::StillStopping);
            }
        });
        self.step(Event::Shutdown(kind));
    }

    pub(crate) fn end(&mut self, kind: Shutdown) {
        self.shared.reserve.release();
        self.ended = Some(kind);
    }
}

/// The services that have an address on the bridge.
fn bridged(services: &BTreeMap<ServiceName, Service>) -> impl Iterator<Item = &ServiceName> {
    let bridged = |service: &&Service| service.network_mode == NetworkMode::Bridge;
    let services = services.values().filter(bridged);
    services.map(|service| &service.name)
}

/// Sleeps until a point of CLOCK_BOOTTIME; for ever without one.
async fn until(deadline: Option<Duration>) {
    match deadline {
        Some(at) => tokio::time::sleep(at.saturating_sub(boottime())).await,
        None => pending().await,
    }
}
