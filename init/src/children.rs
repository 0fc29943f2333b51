//! Single-purpose children: whatever may wait on a disk or a driver waits there, not in PID 1.
//!
//! Each has a name and a deadline; one that is stuck (D state) is abandoned and named, and its exit
//! is reaped whenever it comes.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::SIGKILL;
use orlop_supervisor::ExitStatus;
use orlop_sys::child::{Child, Outcome, spawn};
use orlop_sys::credentials::{CapabilitySet, limit_bounding_set};
use orlop_sys::exec::{StringVector, execve};
use orlop_sys::pidfd::send_signal;

use crate::reaper::Reaper;

/// How a child's work failed.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started.
    #[error("starting a child")]
    Start(#[source] Errno),
    /// Its work failed.
    #[error("{0:?}")]
    Work(Errno),
    /// The program ended with another status than 0.
    #[error("it ended with {0}")]
    Status(i32),
    /// It ended without an answer: a signal killed it.
    #[error("killed by a signal")]
    Killed,
    /// It did not end in time and was left behind.
    #[error("no end within {0:?}, left behind")]
    Stuck(Duration),
}

/// Runs `work` in a forked child and waits for it, at most `deadline`. What the child changes in
/// memory is not seen here. Of PID 1's descriptors it keeps the standard streams and `keep`.
///
/// # Errors
/// When it cannot be started, fails, is killed, or takes too long.
pub async fn run(
    reaper: &Reaper,
    deadline: Duration,
    keep: &[BorrowedFd<'_>],
    work: impl FnOnce() -> Result<(), Errno>,
) -> Result<(), ChildError> {
    let child = spawn(keep, work).map_err(ChildError::Start)?;
    ended(reaper, deadline, child).await
}

/// Apart from the work, so that it is there once for all kinds of it.
async fn ended(reaper: &Reaper, deadline: Duration, child: Child) -> Result<(), ChildError> {
    let ended = reaper.watch(child.pid);
    let in_time = tokio::time::timeout(deadline, ended).await.is_ok();
    match child.outcome() {
        Outcome::Finished(result) => result.map_err(ChildError::Work),
        Outcome::Died => Err(ChildError::Killed),
        Outcome::Pending if in_time => Err(ChildError::Killed),
        Outcome::Pending => {
            // What can still die, dies; what is in D state stays behind and is reaped one day.
            let _may_be_gone = send_signal(child.pidfd.as_fd(), SIGKILL);
            Err(ChildError::Stuck(deadline))
        }
    }
}

/// Runs a program of the system, the machine's own root, with these capabilities and no other, and
/// waits for it, at most `deadline`. The words are its arguments, the first one the program's path.
///
/// # Errors
/// As [`run`], and when it ends with anything but 0.
pub async fn exec(
    reaper: &Reaper,
    deadline: Duration,
    words: &[&CStr],
    capabilities: CapabilitySet,
) -> Result<(), ChildError> {
    let words = StringVector::new(words.iter().map(|word| (*word).to_owned()).collect());
    let environment = StringVector::new(Vec::new());
    let child = spawn(&[], || {
        let [path, ..] = words.strings() else {
            return Err(Errno::EINVAL);
        };
        // What root gets at execve(2) is what the bounding set has.
        limit_bounding_set(capabilities)?;
        Err(execve(path, &words, &environment))
    })
    .map_err(ChildError::Start)?;
    let ended = reaper.watch(child.pid);
    match tokio::time::timeout(deadline, ended).await {
        Ok(Ok(ExitStatus::Exited(0))) => Ok(()),
        Ok(Ok(ExitStatus::Exited(status))) => Err(match child.outcome() {
            Outcome::Finished(Err(errno)) => ChildError::Work(errno),
            _ => ChildError::Status(status),
        }),
        Ok(_) => Err(ChildError::Killed),
        Err(_) => {
            let _may_be_gone = send_signal(child.pidfd.as_fd(), SIGKILL);
            Err(ChildError::Stuck(deadline))
        }
    }
}
