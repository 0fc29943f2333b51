//! A further process in a running service: `orlop exec` and health checks.
//!
//! The launch's builder decides it (rule R9) and the launch's child carries it out; only the way in
//! differs. PID 1 never calls setns, and never waits: it polls the entrance's socket.
//!
//! ```text
//! PID 1                        entrant (in the service's cgroup)    process (CLONE_PARENT)
//!   clone3 ------------------> hides, setns(main's pidfd, all)
//!                              clone3 ----------------------------> waits
//!   readable <- pid + pidfd -- ends
//!   registers the pid
//!   "go" ---------------------------------------------------------> user, capabilities, seccomp
//!   end of the socket, or a failed step <-------------------------- execve
//! ```
//! The process is PID 1's own child, so nothing of ours stays beside it. It waits for "go" so that it
//! cannot end before the reaper knows its pid.

mod child;
mod plan;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use orlop_sys::clone::{CloneArgs, Process, clone_process};
use orlop_sys::{fd, pidfd, scm};

use crate::launch::{LaunchError, LaunchFailure, LaunchFds, LaunchOutcome, Prepared, Report};
use crate::namespaces::KeptNamespaces;
use crate::private_proc::PrivateProc;

pub use plan::{ExecInputs, ExecPlan, Program, plan_exec};

/// The descriptors of an exec; all are borrowed and stay the caller's.
#[derive(Debug)]
pub struct ExecFds<'a> {
    /// PID 1's own proc.
    pub proc: &'a PrivateProc,
    /// The pidfd of the service's main process.
    pub main: BorrowedFd<'a>,
    /// The directory of the cgroup that the process is born into: [`crate::cgroup::Cgroup::of`].
    pub cgroup: BorrowedFd<'a>,
    /// Standard input, output and error; a pipe or file that the process may reopen has been given
    /// to the service's user (fchown).
    pub streams: [BorrowedFd<'a>; 3],
    /// The multi-call binary, open for reading, when the plan runs it.
    pub multi_call: Option<BorrowedFd<'a>>,
}

/// An exec under way. Dropping it before [`Entrance::go`] ends the process.
#[derive(Debug)]
pub struct Entrance {
    /// The entrant; the caller's reaper reaps its pid.
    pub entrant: Process,
    socket: OwnedFd,
}

/// What came of entering.
#[derive(Debug)]
pub enum Entered {
    /// The entrant is still at it.
    Pending,
    /// There is a process. Register its pid, then call [`Entrance::go`].
    Process(Process),
    /// A step failed.
    Failed(LaunchFailure),
    /// The entrant was killed, as a service's processes are when it ends.
    Killed,
}

/// Begins an exec and returns at once.
///
/// # Errors
/// [`LaunchError`]; nothing is left then.
pub fn exec(plan: &ExecPlan, fds: &ExecFds<'_>) -> Result<Entrance, LaunchError> {
    let none = KeptNamespaces::default();
    let [stdin, stdout, stderr] = fds.streams;
    let launch_fds = LaunchFds {
        proc: fds.proc,
        namespaces: &none,
        cgroup: fds.cgroup,
        stdin,
        stdout,
        stderr,
        listen: Vec::new(),
        ready: None,
        init_program: fds.multi_call,
    };
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(LaunchError::Pipe)?;
    fd::set_nonblocking(ours.as_fd()).map_err(LaunchError::Pipe)?;
    let prepared = Prepared::new(&plan.process, &launch_fds, theirs.as_fd())
        .map_err(LaunchError::Duplicate)?;
    let kept = child::kept(fds, &prepared);
    let args = CloneArgs {
        namespaces: CloneFlags::empty(),
        cgroup: Some(fds.cgroup),
    };
    let entrant = clone_process(&args, || {
        child::run(&plan.process, &launch_fds, fds.main, &prepared, &kept)
    })
    .map_err(LaunchError::Clone)?;
    Ok(Entrance {
        entrant,
        socket: ours,
    })
}

impl Entrance {
    /// The process, once the entrance is readable; does not block. The answer is used up once it is
    /// not [`Entered::Pending`].
    #[must_use]
    pub fn process(&self, plan: &ExecPlan) -> Entered {
        let mut bytes = [0; Report::LENGTH];
        match scm::recv_with_fds(self.socket.as_fd(), &mut bytes) {
            Err(Errno::EAGAIN | Errno::EINTR) => Entered::Pending,
            Ok(received) if received.bytes == child::PID => {
                let [a, b, c, d, ..] = bytes;
                let pid = i32::from_ne_bytes([a, b, c, d]);
                match received.fds.into_iter().next() {
                    Some(pidfd) => Entered::Process(Process { pid, pidfd }),
                    // The descriptor did not fit into PID 1's table; without it nothing is safe.
                    None => Entered::Killed,
                }
            }
            Ok(received) if received.bytes == Report::LENGTH => {
                let report = Report::from_bytes(bytes);
                Entered::Failed(LaunchFailure::new(&plan.process, report))
            }
            _ => Entered::Killed,
        }
    }

    /// Lets the process go on to execve. Its pid has been registered: should it have been reaped
    /// before that, nobody would ever hear of its end, and this says so.
    ///
    /// # Errors
    /// ESRCH when it has ended and was reaped.
    pub fn go(&self, process: &Process) -> Result<(), Errno> {
        pidfd::send_signal(process.pidfd.as_fd(), 0)?;
        match send(self.socket.as_raw_fd(), b"g", MsgFlags::MSG_NOSIGNAL) {
            // It was killed and is not reaped yet: the reaper tells.
            Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// What came of it after [`Entrance::go`], without blocking; as
    /// [`crate::launch::Launching::outcome`].
    #[must_use]
    pub fn outcome(&self, plan: &ExecPlan) -> LaunchOutcome {
        let mut bytes = [0; Report::LENGTH];
        match scm::recv_with_fds(self.socket.as_fd(), &mut bytes) {
            Err(Errno::EAGAIN | Errno::EINTR) => LaunchOutcome::Pending,
            Ok(received) if received.bytes == Report::LENGTH => {
                let report = Report::from_bytes(bytes);
                LaunchOutcome::Failed(LaunchFailure::new(&plan.process, report))
            }
            // Killed before it read "go": the reaper tells.
            Ok(_) | Err(Errno::ECONNRESET) => LaunchOutcome::Executed,
            Err(errno) => LaunchOutcome::Failed(LaunchFailure::unread(&plan.process, errno)),
        }
    }
}

impl AsRawFd for Entrance {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for Entrance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
