//! A plan becomes a process: one clone3, then the child works through the steps.
//!
//! The parent never waits: the child reports over a close-on-exec pipe, whose end without a report
//! means that execve happened.

mod child;
mod failure;
mod mounts;
mod place;
mod report;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};
use orlop_sys::clone::{CloneArgs, clone_process};
use orlop_sys::fd;

use crate::namespaces::KeptNamespaces;
use crate::plan::LaunchPlan;
use crate::private_proc::PrivateProc;

pub(crate) use child::{Registers, fail, perform, work};
pub use failure::LaunchFailure;
pub(crate) use report::{Report, whole};

/// The descriptors of a launch; all are borrowed and stay the caller's.
#[derive(Debug)]
pub struct LaunchFds<'a> {
    /// PID 1's own proc.
    pub proc: &'a PrivateProc,
    /// The service's kept namespaces.
    pub namespaces: &'a KeptNamespaces,
    /// The directory of the service's cgroup.
    pub cgroup: BorrowedFd<'a>,
    /// Standard input.
    pub stdin: BorrowedFd<'a>,
    /// Standard output; given to the service's user beforehand (fchown) so that it can reopen it.
    pub stdout: BorrowedFd<'a>,
    /// Standard error, likewise.
    pub stderr: BorrowedFd<'a>,
    /// The passed sockets, in the order of the plan's names.
    pub listen: Vec<BorrowedFd<'a>>,
    /// The readiness pipe's writing end, when the plan has a number for it.
    pub ready: Option<BorrowedFd<'a>>,
    /// The multi-call binary, open for reading, when the manifest says `init = true`.
    pub init_program: Option<BorrowedFd<'a>>,
}

/// A launch under way.
#[derive(Debug)]
pub struct Launching {
    /// The main process, in the machine's pid namespace.
    pub pid: i32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
    /// Non-blocking; readable when [`Launching::outcome`] has an answer.
    pub report: OwnedFd,
}

/// What is known of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchOutcome {
    /// The child is still at it.
    Pending,
    /// execve happened.
    Executed,
    /// It did not; the child has ended or is about to.
    Failed(LaunchFailure),
}

/// Why no child was made. Nothing is left then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// The report's pipe.
    #[error("making the report pipe")]
    Pipe(#[source] Errno),
    /// A descriptor could not be prepared.
    #[error("duplicating the descriptors")]
    Duplicate(#[source] Errno),
    /// clone3(2).
    #[error("cloning into the cgroup and new namespaces")]
    Clone(#[source] Errno),
    /// The plan names another number of sockets than are given.
    #[error("the plan passes {planned} sockets and {given} were given")]
    ListenCount {
        /// By the plan.
        planned: usize,
        /// In [`LaunchFds::listen`].
        given: usize,
    },
    /// Only one of the plan and the descriptors has a readiness pipe.
    #[error("the plan and the descriptors differ about a readiness pipe")]
    Ready,
}

/// Starts the plan's process and returns at once.
///
/// # Errors
/// [`LaunchError`]; nothing is left then.
pub fn launch(plan: &LaunchPlan, fds: &LaunchFds<'_>) -> Result<Launching, LaunchError> {
    if plan.listen_count != fds.listen.len() {
        return Err(LaunchError::ListenCount {
            planned: plan.listen_count,
            given: fds.listen.len(),
        });
    }
    if plan.ready_fd.is_some() != fds.ready.is_some() {
        return Err(LaunchError::Ready);
    }
    // The child's end may be non-blocking too: a report always fits into an empty pipe.
    let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let (report, writer) = pipe2(flags).map_err(LaunchError::Pipe)?;
    let prepared = Prepared::new(plan, fds, writer.as_fd()).map_err(LaunchError::Duplicate)?;
    let args = CloneArgs {
        namespaces: plan.namespaces,
        cgroup: Some(fds.cgroup),
    };
    let process =
        clone_process(&args, || work(plan, fds, &prepared, 0)).map_err(LaunchError::Clone)?;
    Ok(Launching {
        pid: process.pid,
        pidfd: process.pidfd,
        report,
    })
}

impl Launching {
    /// What is known, without blocking. `plan` is the one that was launched. The answer is used up
    /// once it is not [`LaunchOutcome::Pending`].
    ///
    /// A child that is killed before execve counts as executed here; the reaper tells its end.
    #[must_use]
    pub fn outcome(&self, plan: &LaunchPlan) -> LaunchOutcome {
        let mut bytes = [0; Report::LENGTH];
        match read(&self.report, &mut bytes) {
            Err(Errno::EAGAIN | Errno::EINTR) => LaunchOutcome::Pending,
            Ok(Report::LENGTH) => {
                LaunchOutcome::Failed(LaunchFailure::new(plan, Report::from_bytes(bytes)))
            }
            Ok(_) => LaunchOutcome::Executed,
            Err(errno) => LaunchOutcome::Failed(LaunchFailure::unread(plan, errno)),
        }
    }
}

/// Descriptors whose numbers lie above all that the container is given, so that putting one in its
/// place never overwrites another.
#[derive(Debug)]
pub(crate) struct Prepared<'fd> {
    streams: [Above<'fd>; 3],
    listen: Vec<Above<'fd>>,
    ready: Option<(RawFd, Above<'fd>)>,
    init_program: Option<Above<'fd>>,
    report: Above<'fd>,
    /// The first number after the standard streams and the sockets.
    after_sockets: RawFd,
}

/// The caller's own where its number is large enough, as it nearly always is; else a duplicate.
#[derive(Debug)]
enum Above<'fd> {
    Own(BorrowedFd<'fd>),
    Duplicate(OwnedFd),
}

impl<'fd> Above<'fd> {
    fn new(fd: BorrowedFd<'fd>, least: RawFd) -> Result<Self, Errno> {
        if fd.as_raw_fd() >= least {
            Ok(Self::Own(fd))
        } else {
            fd::duplicate_from(fd, least).map(Self::Duplicate)
        }
    }
}

impl AsFd for Above<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Own(fd) => *fd,
            Self::Duplicate(fd) => fd.as_fd(),
        }
    }
}

impl<'fd> Prepared<'fd> {
    pub(crate) fn new(
        plan: &LaunchPlan,
        fds: &LaunchFds<'fd>,
        report: BorrowedFd<'fd>,
    ) -> Result<Self, Errno> {
        let count = RawFd::try_from(fds.listen.len()).map_err(|_| Errno::EMFILE)?;
        let after_sockets = 3 + count;
        let least = plan.ready_fd.map_or(after_sockets, |number| number + 1);
        let above = |fd: BorrowedFd<'fd>| Above::new(fd, least);
        Ok(Self {
            streams: [above(fds.stdin)?, above(fds.stdout)?, above(fds.stderr)?],
            listen: fds
                .listen
                .iter()
                .map(|&fd| above(fd))
                .collect::<Result<_, _>>()?,
            ready: match plan.ready_fd.zip(fds.ready) {
                Some((number, fd)) => Some((number, above(fd)?)),
                None => None,
            },
            init_program: fds.init_program.map(above).transpose()?,
            report: above(report)?,
            after_sockets,
        })
    }

    /// Where the child says what failed.
    pub(crate) fn report(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let further = [self.init_program.as_ref(), Some(&self.report)];
        let owned = self.streams.iter().chain(&self.listen);
        let owned = owned.chain(self.ready.as_ref().map(|(_, pipe)| pipe));
        owned.chain(further.into_iter().flatten()).map(AsFd::as_fd)
    }

    /// Standard streams and sockets with the numbers they get.
    fn placed(&self) -> impl Iterator<Item = (RawFd, BorrowedFd<'_>)> {
        (0..).zip(self.streams.iter().chain(&self.listen).map(AsFd::as_fd))
    }
}

impl AsRawFd for Launching {
    fn as_raw_fd(&self) -> RawFd {
        self.report.as_raw_fd()
    }
}

impl AsFd for Launching {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }
}
