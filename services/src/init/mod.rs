//! Applet `init`: pid 1 of a container whose manifest says `init = true`. Starts the command, forwards
//! signals to it, reaps what is orphaned, and ends as the command did.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
    SIGWINCH,
};
use signal_hook::iterator::Signals;

/// What is passed on, and what is heard of children.
const SIGNALS: [i32; 11] = [
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
    SIGWINCH,
];

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
    let mut signals = Signals::new(SIGNALS).map_err(InitError::Signals)?;
    let child = Command::new(command).args(arguments).spawn();
    let child = child.map_err(|source| InitError::Start {
        command: command.clone(),
        source,
    })?;
    let lost = || InitError::Lost {
        command: command.clone(),
    };
    let child = i32::try_from(child.id()).map_err(|_| lost())?;
    let child = Pid::from_raw(child);
    for number in signals.forever() {
        if number == SIGCHLD {
            match reap(child) {
                Reaped::Child(status) => return Ok(status),
                Reaped::Others => {}
                Reaped::NoneLeft => return Err(lost()),
            }
        } else if let Ok(signal) = Signal::try_from(number) {
            // ESRCH: it has ended, SIGCHLD is on its way.
            let _ended = kill(child, signal);
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
