//! Applet `console`: a login shell on a terminal. Ends when the shell does; the supervisor starts it
//! anew.

mod terminal;
mod welcome;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid, write};
use orlop_control::client::Client;
use orlop_control::{CONTROL_SOCKET, Method};

/// The terminal in the container.
const TERMINAL: &str = "/dev/console";
/// The shell when the manifest's command names no other.
const SHELL: &str = "/bin/bash";
/// How long the prompt waits for the end of the boot at the most; as long as systemd's.
const BOOT_PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait for what only the welcome needs.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no shell.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// Missing, or not granted.
    #[error("open {}", path.display())]
    Open {
        /// The device.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// setsid(2).
    #[error("begin a session")]
    Session(#[source] Errno),
    /// TIOCSCTTY.
    #[error("take {} as the controlling terminal", path.display())]
    Control {
        /// The device.
        path: PathBuf,
        /// Why: EPERM when another session has it.
        #[source]
        source: Errno,
    },
    /// termios(3).
    #[error("set the terminal's modes")]
    Modes(#[source] Errno),
    /// dup2(2).
    #[error("connect the terminal")]
    Connect(#[source] Errno),
    /// execve(2).
    #[error("start {}", shell.display())]
    Exec {
        /// The shell.
        shell: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Becomes a login shell. Arguments: another terminal, another shell.
///
/// # Errors
/// [`ConsoleError`]; it returns in no other case.
pub fn run(arguments: &[OsString]) -> Result<std::convert::Infallible, ConsoleError> {
    let argument = |index, otherwise: &str| {
        let given = arguments.get(index);
        given.map_or_else(|| otherwise.into(), PathBuf::from)
    };
    let (terminal, shell) = (argument(0, TERMINAL), argument(1, SHELL));
    let tty = attach(&terminal)?;
    terminal::make_sane(tty.as_fd()).map_err(ConsoleError::Modes)?;
    wait_for_boot();
    let info = Client::connect(Path::new(CONTROL_SOCKET), Some(PATIENCE))
        .and_then(|mut client| client.info());
    // A welcome that does not get through is no reason against a shell.
    let text = welcome::text(info.as_ref().ok());
    let _unread = write(tty.as_fd(), text.as_bytes());
    connect(&tty).map_err(ConsoleError::Connect)?;
    drop(tty);
    Err(exec(&shell))
}

/// Lets PID 1 say what it has to say before the prompt: bounded, for a service that never comes up
/// must not keep a person from the console. As `Type=idle` of systemd.service(5) does for getty.
fn wait_for_boot() {
    let booted = Client::connect(Path::new(CONTROL_SOCKET), Some(BOOT_PATIENCE))
        .and_then(|mut client| client.machine(Method::Booted));
    // Denied, or too long: a prompt among the lines of the boot is better than none.
    drop(booted);
}

/// Opens the terminal as the controlling one of a session of its own, so that Ctrl-C reaches what
/// runs in it.
fn attach(path: &Path) -> Result<OwnedFd, ConsoleError> {
    match setsid() {
        // EPERM: a group's leader already, as pid 1 that PID 1 made one is.
        Ok(_) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(ConsoleError::Session(errno)),
    }
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let tty = open(path, flags, Mode::empty()).map_err(|source| ConsoleError::Open {
        path: path.to_owned(),
        source,
    })?;
    orlop_sys::tty::make_controlling(tty.as_fd()).map_err(|source| ConsoleError::Control {
        path: path.to_owned(),
        source,
    })?;
    Ok(tty)
}

fn connect(tty: &OwnedFd) -> Result<(), Errno> {
    dup2_stdin(tty)?;
    dup2_stdout(tty)?;
    dup2_stderr(tty)
}

fn exec(shell: &Path) -> ConsoleError {
    let name = shell.file_name().unwrap_or_default();
    let mut login = OsString::from("-");
    login.push(name);
    let mut command = Command::new(shell);
    command.arg0(login);
    // Shells and editors ask it; nobody knows what is at the other end of a serial line.
    if std::env::var_os("TERM").is_none() {
        command.env("TERM", "vt220");
    }
    ConsoleError::Exec {
        source: command.exec(),
        shell: shell.to_owned(),
    }
}
