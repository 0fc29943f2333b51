//! Applet `init`: pid 1 of a container whose manifest says `init = true`. Starts the command, forwards
//! signals to it, reaps what is orphaned, and ends as the command did.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use orlop_sys::pidfd;
use signal_hook::consts::{
    SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP, SIGSYS, SIGTRAP,
};
use signal_hook::iterator::Signals;

/// What is not passed on: what nobody can catch, what says that this program itself has crashed, and
/// what tells of children.
const OWN: [i32; 9] = [
    SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP, SIGSYS, SIGTRAP,
];
/// What the C library keeps for its threads.
const RESERVED: std::ops::RangeInclusive<i32> = 32..=34;
/// SIGRTMAX.
const LAST: i32 = 64;

/// Everything that is passed on (signal(7)): also real-time signals, and SIGABRT, by which a watchdog
/// asks for a core.
fn forwarded() -> impl Iterator<Item = i32> {
    (1..=LAST).filter(|number| !OWN.contains(number) && !RESERVED.contains(number))
}

/// Why the command did not run, or its end is not known.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Nothing to run.
    #[error("a command is missing")]
    NoCommand,
    /// It could not be started.
    #[error("start {}", command.display())]
    Start {
        /// The program.
        command: OsString,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The signals.
    #[error("catch signals")]
    Signals(#[source] io::Error),
    /// The child is gone, and somebody else was told how.
    #[error("wait for {}", command.display())]
    Lost {
        /// The program.
        command: OsString,
    },
}

impl InitError {
    /// The exit status, as a shell's: 127 when there is no such program, 126 when it does not start.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::NoCommand => 2,
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Start { .. } => 126,
            Self::Signals(_) | Self::Lost { .. } => 1,
        }
    }
}

/// Runs the command, which a `--` may precede, until it ends. Gives its exit status, 128 and the
/// signal's number when a signal ended it.
///
/// # Errors
/// [`InitError`].
pub fn run(arguments: &[OsString]) -> Result<u8, InitError> {
    let words = match arguments {
        [first, rest @ ..] if first == "--" => rest,
        all => all,
    };
    let (command, arguments) = words.split_first().ok_or(InitError::NoCommand)?;
    // Before the start: a command that ends at once is heard of.
    let mut signals = Signals::new(forwarded().chain([SIGCHLD])).map_err(InitError::Signals)?;
    let child = Command::new(command).args(arguments).spawn();
    let child = child.map_err(|source| InitError::Start {
        command: command.clone(),
        source,
    })?;
    let lost = || InitError::Lost {
        command: command.clone(),
    };
    let child = i32::try_from(child.id()).map_err(|_| lost())?;
    // Nobody has waited for it yet: the number is its own.
    let pidfd = pidfd::open(child).map_err(|_| lost())?;
    let child = Pid::from_raw(child);
    for number in signals.forever() {
        if number == SIGCHLD {
            match reap(child) {
                Reaped::Child(status) => return Ok(status),
                Reaped::Others => {}
                Reaped::NoneLeft => return Err(lost()),
            }
        } else {
            // ESRCH: it has ended, SIGCHLD is on its way.
            let _ended = pidfd::send_signal(pidfd.as_fd(), number);
        }
    }
    Err(lost())
}

enum Reaped {
    /// The command, with its exit status.
    Child(u8),
    /// Orphans, or none.
    Others,
    /// There are no children at all.
    NoneLeft,
}

/// Takes the status of every child that has ended.
fn reap(child: Pid) -> Reaped {
    let mut found = Reaped::Others;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => {
                found = Reaped::Child(u8::try_from(code).unwrap_or(1));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                let status = u8::try_from(128 + signal as i32);
                found = Reaped::Child(status.unwrap_or(u8::MAX));
            }
            Ok(WaitStatus::StillAlive) => return found,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) if matches!(found, Reaped::Others) => return Reaped::NoneLeft,
            Err(_) => return found,
        }
    }
}
