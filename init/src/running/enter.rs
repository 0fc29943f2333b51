//! A further process of a running service, from the entrance to execve.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use orlop_container::exec::{Entered, Entrance, ExecFds, ExecPlan, exec};
use orlop_container::launch::{LaunchError, LaunchFailure, LaunchOutcome};
use orlop_supervisor::ExitStatus;
use tokio::io::Interest;
use tokio::sync::oneshot;

use super::Shared;
use super::main_process::MainProcess;
use crate::watched::watch;

/// Why there is no such process. Of an entrance that is given up nothing is left: its process waits for
/// a word that never comes, and ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnterError {
    /// The service has no main process whose namespaces could be entered.
    #[error("it is not running")]
    NotRunning,
    /// The kernel gave no process.
    #[error(transparent)]
    Clone(LaunchError),
    /// The entrance cannot be watched.
    #[error("watching the entrance")]
    Watch(#[source] std::io::Error),
    /// A step failed.
    #[error(transparent)]
    Step(LaunchFailure),
    /// It was killed on its way, as all of a service is when it ends.
    #[error("it ended meanwhile")]
    Ended,
}

/// What an exec is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    /// The cgroup that the process is born into.
    pub(super) cgroup: BorrowedFd<'a>,
    /// Standard input, output and error.
    pub(super) streams: [BorrowedFd<'a>; 3],
    /// The multi-call binary, when the plan runs it.
    pub(super) multi_call: Option<BorrowedFd<'a>>,
}

/// A further process that runs its program.
#[derive(Debug)]
pub(super) struct Further {
    /// Its own, whatever becomes of its pid.
    pub(super) pidfd: OwnedFd,
    /// Tells its end.
    pub(super) exited: oneshot::Receiver<ExitStatus>,
}

/// Lets a further process into the namespaces of `main`; resolves when it runs its program. The
/// caller holds the deadline.
///
/// # Errors
/// [`EnterError`].
pub(super) async fn enter(
    shared: &Shared,
    main: Rc<MainProcess>,
    plan: &ExecPlan,
    given: Given<'_>,
) -> Result<Further, EnterError> {
    let fds = ExecFds {
        proc: &shared.proc,
        main: main.pidfd.as_fd(),
        cgroup: given.cgroup,
        streams: given.streams,
        multi_call: given.multi_call,
    };
    let entrance = exec(plan, &fds).map_err(EnterError::Clone)?;
    let _reaped = shared.reaper.watch(entrance.entrant.pid);
    let entrance = watch(entrance, Interest::READABLE).map_err(EnterError::Watch)?;
    let process = loop {
        let mut ready = entrance.readable().await.map_err(EnterError::Watch)?;
        match entrance.get_ref().process(plan) {
            Entered::Pending => ready.clear_ready(),
            Entered::Process(process) => break process,
            Entered::Failed(failure) => return Err(EnterError::Step(failure)),
            Entered::Killed => return Err(EnterError::Ended),
        }
    };
    // Nothing is awaited between the two: from here on the reaper knows it, or it is gone already.
    let exited = shared.reaper.watch(process.pid);
    match entrance.get_ref().go(&process) {
        Ok(()) => {}
        Err(Errno::ESRCH) => return Err(EnterError::Ended),
        Err(errno) => return Err(EnterError::Watch(errno.into())),
    }
    executed(&entrance, plan).await?;
    Ok(Further {
        pidfd: process.pidfd,
        exited,
    })
}

async fn executed(
    entrance: &tokio::io::unix::AsyncFd<Entrance>,
    plan: &ExecPlan,
) -> Result<(), EnterError> {
    loop {
        let mut ready = entrance.readable().await.map_err(EnterError::Watch)?;
        match entrance.get_ref().outcome(plan) {
            LaunchOutcome::Pending => ready.clear_ready(),
            LaunchOutcome::Executed => return Ok(()),
            LaunchOutcome::Failed(failure) => return Err(EnterError::Step(failure)),
        }
    }
}
