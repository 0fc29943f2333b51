//! The entrant, and the process that it makes: prepared system calls only.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::sched::setns;
use nix::sys::socket::{MsgFlags, recv};
use orlop_sys::clone::{Process, clone_sibling};
use orlop_sys::{credentials, fd, scm};

use super::ExecFds;
use crate::launch::{self, LaunchFds, Prepared, Registers};
use crate::plan::{LaunchPlan, Step};

/// How long the message with the process's pid is.
pub(super) const PID: usize = 4;

/// The descriptors that the entrant keeps, sorted: no other of PID 1's is open in the container's
/// namespaces for an instant (rule R2).
pub(super) fn kept(fds: &ExecFds<'_>, prepared: &Prepared<'_>) -> Vec<RawFd> {
    let mut kept: Vec<RawFd> = prepared
        .all()
        .map(|fd| fd.as_raw_fd())
        .chain([0, 1, 2, fds.main.as_raw_fd()])
        .collect();
    kept.sort_unstable();
    kept
}

/// Works through the plan up to the fork, whose process does the rest; returns the exit code when it
/// could not.
pub(super) fn run(
    plan: &LaunchPlan,
    fds: &LaunchFds<'_>,
    main: BorrowedFd<'_>,
    prepared: &Prepared<'_>,
    kept: &[RawFd],
) -> i32 {
    let mut registers = Registers::default();
    for (number, step) in (0..).zip(&plan.steps) {
        let done = match step {
            Step::Hide => credentials::hide_until_exec().and_then(|()| fd::close_all_but(kept)),
            Step::EnterProcess(namespaces) => setns(main, *namespaces),
            Step::Fork => {
                let rest = || process(plan, fds, prepared, number + 1);
                match clone_sibling(rest).and_then(|process| announce(&process, prepared)) {
                    Ok(()) => return 0,
                    Err(errno) => Err(errno),
                }
            }
            other => match launch::perform(other, plan, fds, prepared, &mut registers) {
                Ok(()) => continue,
                Err(error) => return launch::fail(prepared, number, error),
            },
        };
        if let Err(errno) = done {
            return launch::fail(prepared, number, launch::whole(errno));
        }
    }
    127
}

fn announce(process: &Process, prepared: &Prepared<'_>) -> Result<(), Errno> {
    let bytes = process.pid.to_ne_bytes();
    scm::send_with_fds(prepared.report(), &bytes, &[process.pidfd.as_fd()]).map(drop)
}

/// The process: waits until PID 1 knows it, then does what a launch's child does.
fn process(plan: &LaunchPlan, fds: &LaunchFds<'_>, prepared: &Prepared<'_>, first: u16) -> i32 {
    let mut go = [0];
    loop {
        match recv(prepared.report().as_raw_fd(), &mut go, MsgFlags::empty()) {
            Ok(1) => return launch::work(plan, fds, prepared, first),
            Err(Errno::EINTR) => {}
            // PID 1 gave it up.
            _ => return 127,
        }
    }
}
