//! A launch, from the supervisor's word to the main process's execve.
//!
//! Runs as a task beside the loop: what it waits for (a holder child, the network, a device, the
//! report pipe) never holds up another service.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::libc::SIGKILL;
use orlop_config::{ServiceName, Signal};
use orlop_container::cgroup::{Cgroup, plan_limits};
use orlop_container::devices::DeviceRules;
use orlop_container::launch::{LaunchFds, LaunchOutcome, Launching, launch as launch_plan};
use orlop_container::namespaces::{Holder, KeptNamespaces};
use orlop_container::plan::{LaunchPlan, namespace_spec};
use orlop_container::user::User;
use orlop_supervisor::{Event, ExitStatus};
use orlop_sys::pidfd::send_signal;
use tokio::io::Interest;
use tokio::sync::oneshot;

use crate::watched::watch;

use super::cgroup_watch::CgroupWatch;
use super::image::Place;
use super::main_process::MainProcess;
use super::passed::{self, Passed};
use super::planned::{Fixed, Given, Planned};
use super::readiness::{self, ReadyPipe};
use super::{SERVICES_CGROUP, Shared, Unit, control_socket, volumes, waits};
use crate::logs::{LogMessage, Pipes};
use crate::machine::LoopEvent;
use crate::stage::chain;
use crate::stages::kernel_modules::{SYSTEM_MODULES, load_batch};

/// Runs as process 1 of a container with `init = true`: the multi-call binary's applet `init`.
pub(super) const INIT_PROGRAM: &str = "/usr/lib/orlop/services";
/// How long a holder child, or the way to execve, may take before it is given up (D state).
const DEADLINE: Duration = Duration::from_secs(30);

/// Launches the unit's main process and tells the loop what came of it.
pub async fn launch(shared: Rc<Shared>, unit: Unit, life: u64) {
    let service = unit.service.name.clone();
    let event = match try_launch(&shared, &unit, life).await {
        Ok(pid) => Event::Launched { service, pid },
        Err(reason) => Event::LaunchFailed { service, reason },
    };
    let _loop_never_ends = shared.events.send(LoopEvent::Supervisor(event));
    if unit.ends_first_launch() {
        shared
            .early_launches
            .send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

/// Everything in order; each step may wait, and what it makes is either kept for the service or gone
/// when a later one fails.
async fn try_launch(shared: &Rc<Shared>, unit: &Unit, life: u64) -> Result<u32, String> {
    readiness::prepare_socket(shared, unit).await?;
    // From here on nothing of an earlier life can be heard any more.
    unit.held_mut().life = life;
    let place = unit.place()?;
    wait_for_devices(shared, unit).await?;
    load_overlay(shared, unit).await?;
    prepare_cgroup(shared, unit)?;
    restrict_devices(unit)?;
    let namespaces = keep_namespaces(shared, unit).await?;
    prepare_pipes(shared, unit, &place.user)?;
    control_socket::listen(shared, unit, place.user.uid)?;
    let volumes = volumes::prepare(shared, unit, &place.rootfs).await?;
    let sockets = passed::sockets(shared, unit).await?;
    let ready = readiness::pipe(&unit.service)?;
    let given = Given {
        volumes,
        listen_names: sockets.iter().map(|socket| socket.name.clone()).collect(),
        control_socket: control_socket::path(unit),
        ready_fd: ready.as_ref().map(|pipe| pipe.number),
        notify: notify_path(unit),
    };
    let plan = planned(unit, &place, given)?;
    let launching = start(shared, unit, &plan, &namespaces, &sockets, ready.as_ref())?;
    if let Some(ready) = ready {
        ready.listen(shared, unit);
    }
    arrive(shared, unit, &plan, launching).await
}

/// A granted device may belong to a driver that is still being loaded.
async fn wait_for_devices(shared: &Shared, unit: &Unit) -> Result<(), String> {
    if unit
        .service
        .devices
        .iter()
        .any(|device| !device.source.exists())
    {
        waits::stage(&shared.events, unit, &shared.devices_settled).await?;
    }
    Ok(())
}

/// A writable root is an overlay, and only then its module is loaded.
async fn load_overlay(shared: &Shared, unit: &Unit) -> Result<(), String> {
    if unit.service.read_only {
        return Ok(());
    }
    let (report, reaper) = (&shared.report, &shared.reaper);
    let modules = Path::new(SYSTEM_MODULES);
    let load = || {
        load_batch(
            report,
            reaper,
            modules,
            "overlay",
            &shared.info.modules.overlay,
        )
    };
    shared.overlay.get_or_init(load).await.clone()
}

fn prepare_cgroup(shared: &Shared, unit: &Unit) -> Result<(), String> {
    if unit.held().cgroup.is_some() {
        return Ok(());
    }
    let limits = plan_limits(&unit.service);
    let cgroup = Cgroup::create(
        Path::new(SERVICES_CGROUP),
        unit.service.name.as_str(),
        &limits,
    )
    .map_err(|error| chain(&error))?;
    if let Err(error) = watch_cgroup(shared, unit, &cgroup) {
        // Nothing is in it yet.
        let _gone = cgroup.remove();
        let path = cgroup.path().display();
        return Err(format!("watching the cgroup {path}: {}", chain(&error)));
    }
    // A cgroup of that name may have been there before.
    unit.held_mut().oom_kills = cgroup.oom_kills();
    unit.held_mut().cgroup = Some(cgroup);
    Ok(())
}

/// Anew at each launch: a device may have another number by now. Fails closed (rule R19).
fn restrict_devices(unit: &Unit) -> Result<(), String> {
    let held = unit.held();
    match (&held.cgroup, DeviceRules::of(&unit.service)) {
        (Some(cgroup), Some(rules)) => cgroup
            .restrict_devices(&rules)
            .map_err(|error| chain(&error)),
        _ => Ok(()),
    }
}

fn watch_cgroup(shared: &Shared, unit: &Unit, cgroup: &Cgroup) -> io::Result<()> {
    let tell = |event: fn(ServiceName) -> LoopEvent| {
        let (events, name) = (shared.events.clone(), unit.service.name.clone());
        move || {
            let _loop_never_ends = events.send(event(name.clone()));
        }
    };
    let population = tell(LoopEvent::CgroupChanged);
    let mut watches = vec![CgroupWatch::start(cgroup.events(), population)?];
    if let Some(events) = cgroup.memory_events() {
        let memory = tell(LoopEvent::MemoryChanged);
        watches.push(CgroupWatch::start(events, memory)?);
    }
    unit.held_mut().cgroup_watches = watches;
    Ok(())
}

/// The user and network namespaces: made once, kept over restarts.
async fn keep_namespaces(shared: &Rc<Shared>, unit: &Unit) -> Result<Rc<KeptNamespaces>, String> {
    if let Some(kept) = &unit.held().namespaces {
        return Ok(kept.clone());
    }
    let spec = namespace_spec(&unit.service, unit.id_base);
    let holder = Holder::start(spec, &shared.proc).map_err(|error| chain(&error))?;
    let _reaped = shared.reaper.watch(holder.pid());
    let holder = watch(holder, Interest::READABLE)
        .map_err(|error| format!("watching the holder of namespaces: {}", chain(&error)))?;
    let answered = tokio::time::timeout(DEADLINE, holder.readable()).await;
    if answered.is_err() {
        // It may have been stopped: left alone, it would hold the namespaces for ever.
        let _may_be_gone = send_signal(holder.get_ref().pidfd(), SIGKILL);
    }
    answered
        .map_err(|_| "making namespaces: no end within 30 s".to_owned())?
        .map_err(|error| format!("watching the holder of namespaces: {}", chain(&error)))?
        .retain_ready();
    let mut kept = holder
        .into_inner()
        .finish()
        .map_err(|error| chain(&error))?;
    if unit.is_bridged() {
        attach(shared, unit, &mut kept).await?;
    }
    let kept = Rc::new(kept);
    unit.held_mut().namespaces = Some(kept.clone());
    Ok(kept)
}

/// A veth on the bridge, once the stage `network` has ended.
async fn attach(shared: &Shared, unit: &Unit, kept: &mut KeptNamespaces) -> Result<(), String> {
    waits::stage(&shared.events, unit, &shared.network_settled).await?;
    let (Some(netns), Some(netlink)) = (&kept.net, kept.netlink.take()) else {
        return Err("it has no network namespace of its own".to_owned());
    };
    let address = shared
        .network
        .attach(&unit.service.name, netns.as_fd(), netlink)
        .await
        .map_err(|error| chain(&error))?;
    let mut held = unit.held_mut();
    held.address = Some(address);
    held.attached = true;
    Ok(())
}

fn prepare_pipes(shared: &Shared, unit: &Unit, user: &User) -> Result<(), String> {
    if unit.held().pipes.is_some() {
        return Ok(());
    }
    let pipes = Pipes::new(unit.id_base + user.uid, unit.id_base + user.gid)
        .map_err(|errno| format!("making pipes for its output: {errno:?}"))?;
    for (stream, reading) in pipes.reading() {
        shared.logs.tell(LogMessage::Stream {
            service: unit.service.name.clone(),
            stream,
            reading,
        });
    }
    unit.held_mut().pipes = Some(pipes);
    Ok(())
}

/// The last launch's plan when this one is given the same.
fn planned(unit: &Unit, place: &Place, given: Given) -> Result<Rc<LaunchPlan>, String> {
    let fixed = Fixed {
        service: &unit.service,
        id_base: unit.id_base,
        place,
    };
    let before = unit.held_mut().planned.take();
    let planned = Planned::new(before, fixed, given).map_err(|error| chain(&error))?;
    let plan = planned.plan();
    unit.held_mut().planned = Some(planned);
    Ok(plan)
}

fn notify_path(unit: &Unit) -> Option<PathBuf> {
    let held = unit.held();
    held.notify.as_ref().map(|notify| notify.path().to_owned())
}

fn start(
    shared: &Shared,
    unit: &Unit,
    plan: &LaunchPlan,
    namespaces: &KeptNamespaces,
    sockets: &[Passed],
    ready: Option<&ReadyPipe>,
) -> Result<Launching, String> {
    let held = unit.held();
    let (Some(cgroup), Some(pipes)) = (&held.cgroup, &held.pipes) else {
        return Err("no cgroup or no pipes".to_owned());
    };
    let null =
        File::open("/dev/null").map_err(|error| format!("opening /dev/null: {}", chain(&error)))?;
    let [stdout, stderr] = pipes.writing();
    let init_program = match unit.service.init {
        true => Some(
            File::open(INIT_PROGRAM)
                .map_err(|error| format!("opening {INIT_PROGRAM}: {}", chain(&error)))?,
        ),
        false => None,
    };
    let fds = LaunchFds {
        proc: &shared.proc,
        namespaces,
        cgroup: cgroup.as_fd(),
        stdin: null.as_fd(),
        stdout,
        stderr,
        listen: sockets.iter().map(|socket| socket.fd.as_fd()).collect(),
        ready: ready.map(|pipe| pipe.writing.as_fd()),
        init_program: init_program.as_ref().map(AsFd::as_fd),
    };
    launch_plan(plan, &fds).map_err(|error| chain(&error))
}

/// Waits for execve, or for the reason why it did not happen.
async fn arrive(
    shared: &Rc<Shared>,
    unit: &Unit,
    plan: &LaunchPlan,
    launching: Launching,
) -> Result<u32, String> {
    // Before anything is awaited: the reaper must know the pid before the child can end.
    let exited = shared.reaper.watch(launching.pid);
    let pid = u32::try_from(launching.pid).map_err(|error| error.to_string())?;
    let outcome = outcome(plan, &launching).await;
    let main = MainProcess {
        pid: launching.pid,
        pidfd: launching.pidfd,
    };
    unit.held_mut().main = Some(Rc::new(main));
    if outcome == LaunchOutcome::Executed {
        crate::task::spawn(tell_exit(shared.clone(), unit.clone(), exited));
        return Ok(pid);
    }
    // Whatever the child is still at, it ends here; its leftovers are in the cgroup.
    unit.signal(Signal::KILL);
    let _in_d_state = tokio::time::timeout(DEADLINE, exited).await;
    unit.held_mut().forget_main();
    Err(match outcome {
        LaunchOutcome::Failed(failure) => {
            // The sentence starts with the service's name, as does every line it is shown in.
            failure.without_service()
        }
        _ => format!("no execve within {} s of the launch", DEADLINE.as_secs()),
    })
}

async fn outcome(plan: &LaunchPlan, launching: &Launching) -> LaunchOutcome {
    let Ok(report) = watch(launching.report.as_fd(), Interest::READABLE) else {
        return LaunchOutcome::Pending;
    };
    let wait = async {
        while let Ok(mut ready) = report.readable().await {
            match launching.outcome(plan) {
                LaunchOutcome::Pending => ready.clear_ready(),
                outcome => return outcome,
            }
        }
        LaunchOutcome::Pending
    };
    tokio::time::timeout(DEADLINE, wait)
        .await
        .unwrap_or(LaunchOutcome::Pending)
}

/// The main process's end, for the loop.
async fn tell_exit(shared: Rc<Shared>, unit: Unit, exited: oneshot::Receiver<ExitStatus>) {
    let Ok(status) = exited.await else { return };
    unit.held_mut().forget_main();
    let service = unit.service.name.clone();
    // Before the exit: that the kernel was out of memory is its cause.
    unit.tell_oom_kills(&shared);
    let tell = |event| {
        let _loop_never_ends = shared.events.send(event);
    };
    // Of who leaves nothing behind there is nothing to kill. (Not known: it is asked again.)
    let is_gone = unit.is_gone().unwrap_or(false);
    let name = service.clone();
    if is_gone {
        let service = name.clone();
        tell(LoopEvent::Supervisor(Event::CgroupEmpty { service }));
    }
    tell(LoopEvent::Supervisor(Event::MainExited { service, status }));
    if !is_gone {
        tell(LoopEvent::CgroupChanged(name));
    }
}
