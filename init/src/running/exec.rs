//! `orlop exec`: a further process of a running service, for whoever asked over a control socket.
//!
//! ```text
//! caller                    PID 1                                    process
//!   Exec ─────────────────► makes pipes, a cgroup, enters ─────────► execve
//!   ◄── {} + pipes' ends ── keeps none of them
//!   ◄════════════════════ bytes, which PID 1 never sees ═══════════►
//!   ◄── {"code":0} ──────── kills what it left behind ◄───────────── ends
//! ```
//! Descriptors go out only: none of the caller's comes in, neither into PID 1 nor into the container
//! (rule R2). What the process started is in a cgroup of its own below the service's, and ends with
//! it. The service's end is its end too, as it is in the service's pid namespace.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::SIGHUP;
use orlop_container::cgroup::Cgroup;
use orlop_container::exec::{ExecInputs, Program, plan_exec};
use orlop_container::user::parse_spec;
use orlop_control::server::{HandOver, Reply, Responder};
use orlop_control::varlink::encode_reply;
use orlop_control::{ControlError, ExecRequest, Exit};
use orlop_supervisor::ExitStatus;
use orlop_sys::{pidfd, scm};
use tokio::io::Interest;
use tokio::time::timeout;

use super::emptied::emptied;
use super::enter::{EnterError, Further, Given, enter};
use super::{Shared, Unit, image};
use crate::logs::pipe_of;
use crate::stage::chain;
use crate::watched::watch;

/// So long a process may take to its execve: a program on a disk that does not answer.
const START: Duration = Duration::from_secs(10);
/// So long it may take to end after its SIGHUP.
const HANGUP: Duration = Duration::from_secs(5);

/// Runs what was asked for, from the start to its end; `_counts` is kept so long.
pub async fn exec(
    shared: Rc<Shared>,
    unit: Unit,
    call: HandOver<ExecRequest>,
    serial: u64,
    _counts: Responder,
) {
    let name = unit.service.name.as_str();
    let mut cgroup = None;
    let started = timeout(
        START,
        start(&shared, &unit, &call.request, serial, &mut cgroup),
    )
    .await;
    let started =
        started.unwrap_or_else(|_| Err(Refusal::Failed(format!("no start within {START:?}"))));
    match started {
        Ok(process) => attend(process, call.stream, cgroup.as_ref()).await,
        Err(refusal) => drop(call.refuse(&refusal.error(name))),
    }
    if let Some(cgroup) = cgroup {
        // With the service it goes as a whole.
        let gone = emptied(&cgroup).await.map(|()| cgroup.remove());
        if let Ok(Err(error)) = gone {
            shared.report.record(&chain(&error));
        }
    }
}

/// Why there is no process.
enum Refusal {
    /// The service does not run.
    NotRunning,
    /// The machine could not.
    Failed(String),
    /// What was asked for could not be run.
    NotExecuted(String, Errno),
}

impl Refusal {
    fn error(self, name: &str) -> ControlError {
        let name = name.to_owned();
        match self {
            Self::NotRunning => ControlError::NotRunning { name },
            Self::Failed(reason) => ControlError::Failed { name, reason },
            // As a shell and `docker exec` have it.
            Self::NotExecuted(reason, errno) => ControlError::NotExecuted {
                name,
                reason,
                code: if errno == Errno::ENOENT { 127 } else { 126 },
            },
        }
    }
}

impl From<EnterError> for Refusal {
    fn from(error: EnterError) -> Self {
        match error {
            EnterError::NotRunning => Self::NotRunning,
            EnterError::Step(failure) => {
                Self::NotExecuted(failure.without_service(), failure.errno)
            }
            error => Self::Failed(chain(&error)),
        }
    }
}

/// A process that runs its program.
struct Process {
    further: Further,
    /// What the caller gets: stdout, stderr, and stdin if it is written to.
    ends: Vec<OwnedFd>,
}

async fn start(
    shared: &Shared,
    unit: &Unit,
    request: &ExecRequest,
    serial: u64,
    made: &mut Option<Cgroup>,
) -> Result<Process, Refusal> {
    let main = unit.held().main.clone().ok_or(Refusal::NotRunning)?;
    let place = unit.place().map_err(Refusal::Failed)?;
    let other = match &request.user {
        Some(text) => {
            let (spec, added) = (parse_spec(text), &unit.service.group_add);
            let user = image::user(&shared.reaper, &place.rootfs, &spec, added).await;
            Some(user.map_err(|reason| Refusal::NotExecuted(reason, Errno::EINVAL))?)
        }
        None => None,
    };
    let user = other.as_ref().unwrap_or(&place.user);
    let plan = plan_exec(&ExecInputs {
        service: &unit.service,
        user,
        program: Program::Container(&request.command),
        environment: &request.environment,
        working_dir: request.working_dir.as_deref().map(Path::new),
    })
    .map_err(|error| Refusal::NotExecuted(chain(&error), Errno::EINVAL))?;
    let own = unit.held().cgroup.as_ref().map(|own| own.path().to_owned());
    let own = own.ok_or(Refusal::NotRunning)?;
    // No cgroup that a service makes for itself has such a name.
    let cgroup = Cgroup::create(&own, &format!(".exec-{serial}"), &[])
        .map_err(|error| Refusal::Failed(chain(&error)))?;
    let cgroup = made.insert(cgroup);
    let (uid, gid) = (unit.id_base + user.uid, unit.id_base + user.gid);
    let pipe = || {
        pipe_of(uid, gid).map_err(|errno| Refusal::Failed(format!("making its pipes: {errno:?}")))
    };
    let ((stdout, its_stdout), (stderr, its_stderr)) = (pipe()?, pipe()?);
    let mut ends = vec![stdout, stderr];
    let its_stdin = match request.stdin {
        true => {
            let (its_stdin, stdin) = pipe()?;
            ends.push(stdin);
            its_stdin
        }
        false => File::open("/dev/null")
            .map_err(|error| Refusal::Failed(format!("opening /dev/null: {}", chain(&error))))?
            .into(),
    };
    let given = Given {
        cgroup: cgroup.as_fd(),
        streams: [its_stdin.as_fd(), its_stdout.as_fd(), its_stderr.as_fd()],
        multi_call: None,
    };
    let further = enter(shared, main, &plan, given).await?;
    Ok(Process { further, ends })
}

/// Tells the caller that it runs, and how it ends.
async fn attend(process: Process, caller: UnixStream, cgroup: Option<&Cgroup>) {
    let Process { mut further, ends } = process;
    let fds: Vec<BorrowedFd<'_>> = ends.iter().map(AsFd::as_fd).collect();
    // Both replies have a JSON form always.
    let first = encode_reply(&Reply::Done {}, true).unwrap_or_default();
    // The first bytes of a connection have room, unless its other end has gone.
    let told = scm::send_with_fds(caller.as_fd(), &first, &fds).is_ok();
    drop(fds);
    drop(ends);
    let status = match told {
        true => tokio::select! {
            status = &mut further.exited => status.ok(),
            () = gone(&caller) => None,
        },
        false => None,
    };
    let Some(status) = status else {
        hang_up(further).await;
        return;
    };
    // What it left behind writes nothing more once the caller hears of its end.
    if let Some(cgroup) = cgroup {
        let _gone_with_the_service = cgroup.kill();
    }
    let last = encode_reply(&exit(status), false).unwrap_or_default();
    let _caller_gone = (&caller).write_all(&last);
}

fn exit(status: ExitStatus) -> Exit {
    match status {
        ExitStatus::Exited(code) => Exit::Code(code),
        ExitStatus::Signaled(signal) | ExitStatus::Dumped(signal) => Exit::Signal(signal),
    }
}

/// Resolves when the caller has closed its connection, or says what nobody asked for.
async fn gone(caller: &UnixStream) {
    let Ok(watched) = watch(caller.as_fd(), Interest::READABLE) else {
        return;
    };
    loop {
        let Ok(mut ready) = watched.readable().await else {
            return;
        };
        match (&mut &*caller).read(&mut [0]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => ready.clear_ready(),
            _ => return,
        }
    }
}

/// As a terminal's end would; whoever calls kills what does not heed it.
async fn hang_up(process: Further) {
    let _ended = pidfd::send_signal(process.pidfd.as_fd(), SIGHUP);
    let _ends_or_is_killed = timeout(HANGUP, process.exited).await;
}
