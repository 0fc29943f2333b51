//! One probe of a health check: a further process in the service's own namespaces, whose end is the
//! answer.
//!
//! What it starts stays with it: a probe lives in a cgroup of its own below the service's
//! ([`CGROUP`]), which is killed as one when the probe ends, is stopped or takes too long, so nothing
//! that it left behind runs on in the service. It counts towards the service's limits; the service
//! counts as populated while it runs, as it should: it ends with the service's pid namespace.
//!
//! `CMD` and `CMD-SHELL` are programs of the image; the other tests are the multi-call binary's
//! applet `probe`, opened by PID 1 and executed by descriptor, so that an image needs nothing.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::read;
use orlop_config::HealthTest;
use orlop_container::cgroup::Cgroup;
use orlop_container::exec::{ExecInputs, ExecPlan, Program, plan_exec};
use orlop_supervisor::{Event, ExitStatus, ProbeResult};
use orlop_sys::fd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::emptied::emptied;
use super::enter::{EnterError, Given, enter};
use super::launch::INIT_PROGRAM;
use super::{Shared, Unit};
use crate::logs::pipe_of;
use crate::machine::LoopEvent;
use crate::stage::chain;
use crate::watched::watch;

/// Below the service's cgroup. No cgroup that a service makes for itself has such a name.
const CGROUP: &str = ".probe";
/// So much of the end of what a probe says is kept, as Docker keeps it.
const KEPT: usize = 4096;
/// A probe that writes without end is read this often and no more.
const BREATH: Duration = Duration::from_millis(20);

/// What is kept of a service's probes, for as long as the service is wanted.
#[derive(Debug, Default)]
pub(super) struct Probing {
    /// The decision is the same each time.
    planned: Option<Rc<Planned>>,
    cgroup: Option<Rc<Cgroup>>,
    /// The one that runs, with its serial; dropped to stop it.
    running: Option<(u64, oneshot::Sender<()>)>,
}

#[derive(Debug)]
struct Planned {
    plan: ExecPlan,
    /// Who may reopen its streams, as the machine counts.
    uid: u32,
    gid: u32,
    multi_call: bool,
}

impl Unit {
    /// Kills the probe of this number, if it still runs.
    pub fn stop_probe(&self, serial: u64) {
        self.held_mut()
            .probing
            .running
            .take_if(|(running, _)| *running == serial);
    }
}

/// Makes one probe and tells the loop what came of it.
pub async fn probe(shared: Rc<Shared>, unit: Unit, life: u64, serial: u64, timeout: Duration) {
    let (stop, stopped) = oneshot::channel();
    unit.held_mut().probing.running = Some((serial, stop));
    let mut said = Vec::new();
    let limit = timeout.saturating_sub(early(timeout));
    let result = tokio::select! {
        asked = tokio::time::timeout(limit, ask(&shared, &unit, limit, &mut said)) => asked.ok(),
        _ = stopped => None,
    };
    // What the probe left behind, and the probe itself when its time is over.
    let cgroup = unit.held().probing.cgroup.clone();
    if let Some(Err(error)) = cgroup.map(|cgroup| cgroup.kill()) {
        shared.report.record(&chain(&error));
    }
    unit.stop_probe(serial);
    let said = String::from_utf8_lossy(&said);
    let said = said.trim();
    let result = match result {
        Some(Ok(ExitStatus::Exited(0))) => ProbeResult::Passed(said.to_owned()),
        Some(Ok(status)) => ProbeResult::Failed(with(&end(status), said)),
        Some(Err(reason)) => ProbeResult::Unable(reason),
        None => ProbeResult::Failed(with(&format!("no end within {timeout:?}"), said)),
    };
    let _loop_never_ends = shared.events.send(LoopEvent::Supervisor(Event::ProbeDone {
        service: unit.service.name.clone(),
        life,
        serial,
        result,
    }));
}

/// So much before its time is over a probe is ended, and the applet ends itself before that: who knows
/// most has the first word.
fn early(timeout: Duration) -> Duration {
    (timeout / 10).min(Duration::from_millis(100))
}

/// The probe's end, or why there was none.
async fn ask(
    shared: &Shared,
    unit: &Unit,
    limit: Duration,
    said: &mut Vec<u8>,
) -> Result<ExitStatus, String> {
    let main = unit.held().main.clone();
    let main = main.ok_or_else(|| EnterError::NotRunning.to_string())?;
    let planned = planned(unit, limit)?;
    let cgroup = empty_cgroup(unit).await?;
    let failed = |what: &str, errno: Errno| format!("{what}: {errno:?}");
    let (output, writing) =
        pipe_of(planned.uid, planned.gid).map_err(|errno| failed("making its pipe", errno))?;
    fd::set_nonblocking(output.as_fd()).map_err(|errno| failed("making its pipe", errno))?;
    let open =
        |path: &str| File::open(path).map_err(|error| format!("opening {path}: {}", chain(&error)));
    let null = open("/dev/null")?;
    let multi_call = planned.multi_call.then(|| open(INIT_PROGRAM)).transpose()?;
    let given = Given {
        cgroup: cgroup.as_fd(),
        streams: [null.as_fd(), writing.as_fd(), writing.as_fd()],
        multi_call: multi_call.as_ref().map(AsFd::as_fd),
    };
    let further = enter(shared, main, &planned.plan, given).await;
    drop(writing);
    let further = further.map_err(|error| match error {
        // The sentence starts with the service's name, as does every line it is shown in.
        EnterError::Step(failure) => failure.without_service(),
        error => chain(&error),
    })?;
    listen(further.exited, &output, said).await
}

/// Reads what it says until it ends.
async fn listen(
    mut exited: oneshot::Receiver<ExitStatus>,
    output: &OwnedFd,
    said: &mut Vec<u8>,
) -> Result<ExitStatus, String> {
    let watched = watch(output.as_fd(), Interest::READABLE).map_err(|error| chain(&error))?;
    let status = loop {
        tokio::select! {
            status = &mut exited => break status.map_err(|_| EnterError::Ended.to_string()),
            more = more(&watched, said) => if !more {
                // It closed its streams, or there is nothing to hear: only its end is left.
                break (&mut exited).await.map_err(|_| EnterError::Ended.to_string());
            },
        }
    };
    // What it said last. A process that it left behind may hold the pipe open: nobody waits for it.
    take(output, said);
    status
}

/// Waits for output and takes it; false at its end.
async fn more(output: &AsyncFd<std::os::fd::BorrowedFd<'_>>, said: &mut Vec<u8>) -> bool {
    let Ok(mut ready) = output.readable().await else {
        return false;
    };
    let more = take(output.get_ref(), said);
    ready.clear_ready();
    if more {
        tokio::time::sleep(BREATH).await;
    }
    more
}

/// Takes what is in the pipe, at most what fits into one, and keeps the end; false when nobody can
/// write to it any more.
fn take(output: impl AsFd, said: &mut Vec<u8>) -> bool {
    let mut buffer = [0; KEPT];
    for _ in 0..16 {
        match read(output.as_fd(), &mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                said.extend(buffer.iter().take(count));
                let surplus = said.len().saturating_sub(KEPT);
                said.drain(..surplus);
            }
            Err(Errno::EINTR) => {}
            Err(_) => return true,
        }
    }
    true
}

/// The decision, once.
fn planned(unit: &Unit, limit: Duration) -> Result<Rc<Planned>, String> {
    if let Some(planned) = &unit.held().probing.planned {
        return Ok(planned.clone());
    }
    let service = &unit.service;
    let Some(health) = &service.supervision.health else {
        return Err("it has no health check".to_owned());
    };
    let place = unit.place()?;
    let words = words(&health.test, limit);
    let applet: Vec<&str> = words.iter().map(String::as_str).collect();
    let multi_call = !matches!(health.test, HealthTest::Exec(_) | HealthTest::Shell(_));
    let program = match multi_call {
        true => Program::MultiCall(&applet),
        false => Program::Container(&words),
    };
    let plan = plan_exec(&ExecInputs {
        service,
        user: &place.user,
        program,
        environment: &Default::default(),
        working_dir: None,
    })
    .map_err(|error| chain(&error))?;
    let planned = Rc::new(Planned {
        plan,
        uid: unit.id_base + place.user.uid,
        gid: unit.id_base + place.user.gid,
        multi_call,
    });
    unit.held_mut().probing.planned = Some(planned.clone());
    Ok(planned)
}

/// The command line of a test.
fn words(test: &HealthTest, limit: Duration) -> Vec<String> {
    let applet = |words: &[&str]| {
        let limit = limit.saturating_sub(early(limit));
        let milliseconds = limit.as_millis().to_string();
        let words = ["probe", &milliseconds]
            .into_iter()
            .chain(words.iter().copied());
        words.map(str::to_owned).collect()
    };
    match test {
        HealthTest::Exec(words) => words.clone(),
        HealthTest::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        HealthTest::Http { port, path, expect } => {
            let [first, last] = [expect.start(), expect.end()].map(u16::to_string);
            applet(&["http", &port.to_string(), path, &first, &last])
        }
        HealthTest::Tcp { port } => applet(&["tcp", &port.to_string()]),
        HealthTest::File(path) => applet(&["file", &path.to_string_lossy()]),
    }
}

/// The probes' cgroup, once nothing of an earlier probe is in it.
async fn empty_cgroup(unit: &Unit) -> Result<Rc<Cgroup>, String> {
    let kept = unit.held().probing.cgroup.clone();
    let cgroup = match kept {
        Some(cgroup) => cgroup,
        None => make_cgroup(unit)?,
    };
    emptied(&cgroup).await?;
    Ok(cgroup)
}

fn make_cgroup(unit: &Unit) -> Result<Rc<Cgroup>, String> {
    let mut held = unit.held_mut();
    let own = held.cgroup.as_ref().ok_or("it has no cgroup")?;
    let cgroup = Cgroup::create(own.path(), CGROUP, &[]).map_err(|error| chain(&error))?;
    let cgroup = Rc::new(cgroup);
    held.probing.cgroup = Some(cgroup.clone());
    Ok(cgroup)
}

fn end(status: ExitStatus) -> String {
    match status {
        ExitStatus::Exited(code) => format!("exit code {code}"),
        ExitStatus::Signaled(signal) | ExitStatus::Dumped(signal) => format!("signal {signal}"),
    }
}

fn with(what: &str, said: &str) -> String {
    match said {
        "" => what.to_owned(),
        said => format!("{what}: {said}"),
    }
}
