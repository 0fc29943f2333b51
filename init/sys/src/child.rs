//! Single-purpose children: a mount, an fsync, a module load run in a forked child, so that PID 1
//! never blocks. One that is stuck in the kernel is abandoned and named by the caller, who holds
//! the deadline.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::unistd::{pipe2, read, write};

use crate::clone::{CloneArgs, Process, clone_process};
use crate::{fd, signals};

/// A child at work. Dropping it neither kills nor waits: the reaper reaps the pid.
#[derive(Debug)]
pub struct Child {
    /// The child's pid, for the reaper's table.
    pub pid: i32,
    /// Readable when the child has ended; for [`crate::pidfd::send_signal`].
    pub pidfd: OwnedFd,
    /// Non-blocking; readable when [`Child::outcome`] has an answer.
    pub result: OwnedFd,
}

/// What is known of a child's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is still at it.
    Pending,
    /// It has finished, with this result.
    Finished(Result<(), Errno>),
    /// It ended without an answer: a signal killed it.
    Died,
}

/// Runs `work` in a child of its own. Of the caller's descriptors the child keeps 0, 1, 2 and
/// `keep`; so a child that is stuck holds no pipe, lock or mount of anybody else.
///
/// The child has default signal dispositions. See [`clone_process`] for what `work` may do.
///
/// # Errors
/// The errno of pipe2(2) or clone3(2).
pub fn spawn(
    keep: &[BorrowedFd<'_>],
    work: impl FnOnce() -> Result<(), Errno>,
) -> Result<Child, Errno> {
    let mut work = Some(work);
    spawn_any(keep, &mut || {
        work.take().map_or(Err(Errno::EINVAL), |work| work())
    })
}

/// One function for all kinds of work: PID 1 has many, and a kilobyte for each.
fn spawn_any(
    keep: &[BorrowedFd<'_>],
    work: &mut dyn FnMut() -> Result<(), Errno>,
) -> Result<Child, Errno> {
    let (result, report) = pipe2(OFlag::O_CLOEXEC)?;
    let mut kept: Vec<_> = keep
        .iter()
        .map(AsRawFd::as_raw_fd)
        .chain([0, 1, 2, report.as_raw_fd()])
        .collect();
    kept.sort_unstable();
    let args = CloneArgs {
        namespaces: CloneFlags::empty(),
        cgroup: None,
    };
    let Process { pid, pidfd } = clone_process(&args, || {
        let outcome = signals::reset()
            .and_then(|()| fd::close_all_but(&kept))
            .and_then(|()| work());
        let errno = outcome.err().map_or(0, |errno| errno as i32);
        match write(report.as_fd(), &errno.to_ne_bytes()) {
            Ok(4) => i32::from(errno != 0),
            _ => 2,
        }
    })?;
    fd::set_nonblocking(result.as_fd())?;
    Ok(Child { pid, pidfd, result })
}

impl Child {
    /// The work's result, without blocking. Once it has said anything but
    /// [`Outcome::Pending`] the answer is used up.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let mut errno = [0; 4];
        match read(&self.result, &mut errno) {
            Ok(4) => Outcome::Finished(match i32::from_ne_bytes(errno) {
                0 => Ok(()),
                errno => Err(Errno::from_raw(errno)),
            }),
            Err(Errno::EAGAIN | Errno::EINTR) => Outcome::Pending,
            _ => Outcome::Died,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pidfd;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn wait(child: &Child) -> Outcome {
        let mut fds = [PollFd::new(child.result.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(10_000u16)).unwrap();
        child.outcome()
    }

    #[test]
    fn the_result_comes_back() {
        let good = spawn(&[], || Ok(())).unwrap();
        assert_eq!(wait(&good), Outcome::Finished(Ok(())));
        let bad = spawn(&[], || Err(Errno::EMEDIUMTYPE)).unwrap();
        assert_eq!(wait(&bad), Outcome::Finished(Err(Errno::EMEDIUMTYPE)));
    }

    #[test]
    fn a_stuck_child_is_pending_and_can_be_killed() {
        let child = spawn(&[], || {
            loop {
                nix::unistd::pause();
            }
        })
        .unwrap();
        assert_eq!(child.outcome(), Outcome::Pending);
        pidfd::send_signal(child.pidfd.as_fd(), libc::SIGTERM).unwrap();
        assert_eq!(wait(&child), Outcome::Died);
    }

    #[test]
    fn only_kept_descriptors_are_open_in_the_child() {
        let (kept, kept_writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let (_other, other_writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let child = spawn(&[kept_writer.as_fd()], || {
            write(kept_writer.as_fd(), b"x")?;
            match write(other_writer.as_fd(), b"x") {
                Err(Errno::EBADF) => Ok(()),
                _ => Err(Errno::EEXIST),
            }
        })
        .unwrap();
        assert_eq!(wait(&child), Outcome::Finished(Ok(())));
        let mut byte = [0];
        assert_eq!(read(&kept, &mut byte), Ok(1));
    }
}
