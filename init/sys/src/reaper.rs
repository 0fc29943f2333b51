//! The one place that waits for children (waitid(2)): PID 1 calls it at each SIGCHLD.

use nix::errno::Errno;

/// How a process ended, as waitid(2) tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It called exit with this code.
    Exited(i32),
    /// This signal ended it (real-time signals included, which nix's own type cannot hold).
    Signaled(i32),
    /// This signal ended it, and the kernel wrote a core dump.
    Dumped(i32),
}

/// The children that have ended, in the order in which the kernel gives them, at most `most`; never
/// blocks.
///
/// One SIGCHLD may stand for many: as many as were asked for means that there may be more. No
/// children at all is an empty list.
///
/// # Errors
/// The errno of waitid(2) when it is neither ECHILD nor EINTR; what was reaped before is kept by
/// returning it first (the error comes with the next call).
pub fn reap(most: usize) -> Result<Vec<(i32, ExitStatus)>, Errno> {
    let mut ended = Vec::new();
    while ended.len() < most {
        match reap_one() {
            Ok(Some(child)) => ended.push(child),
            Ok(None) | Err(Errno::ECHILD) => return Ok(ended),
            Err(Errno::EINTR) => {}
            Err(_) if !ended.is_empty() => return Ok(ended),
            Err(errno) => return Err(errno),
        }
    }
    Ok(ended)
}

fn reap_one() -> Result<Option<(i32, ExitStatus)>, Errno> {
    // SAFETY: siginfo_t is plain old data, for which all bytes zero is a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is a live, writable siginfo_t; P_ALL ignores the id.
    let result =
        unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG) };
    Errno::result(result)?;
    // SAFETY: waitid succeeded, so either it filled the SIGCHLD fields or left the zeroes.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: as above; si_status belongs to the same SIGCHLD variant.
    let status = unsafe { info.si_status() };
    Ok(Some((
        pid,
        match info.si_code {
            libc::CLD_EXITED => ExitStatus::Exited(status),
            libc::CLD_DUMPED => ExitStatus::Dumped(status),
            _ => ExitStatus::Signaled(status),
        },
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{child, pidfd};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    use std::process::Command;

    #[test]
    fn codes_and_real_time_signals_are_told_apart() {
        // In a process of its own: it would take other tests' children away.
        const ALONE: &str = "ORLOP_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let status = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "reaper::tests::codes_and_real_time_signals_are_told_apart",
                ])
                .env(ALONE, "1")
                .status()
                .unwrap();
            assert!(status.success());
            return;
        }
        let failed = child::spawn(&[], || Err(Errno::EIO)).unwrap();
        let killed = child::spawn(&[], || {
            loop {
                nix::unistd::pause();
            }
        })
        .unwrap();
        pidfd::send_signal(killed.pidfd.as_fd(), 40).unwrap();
        for child in [&failed, &killed] {
            let mut fds = [PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut fds, PollTimeout::from(10_000_u16)), Ok(1));
        }
        let ended = reap(10).unwrap();
        assert!(
            ended.contains(&(failed.pid, ExitStatus::Exited(1))),
            "{ended:?}"
        );
        assert!(
            ended.contains(&(killed.pid, ExitStatus::Signaled(40))),
            "{ended:?}"
        );
    }
}
