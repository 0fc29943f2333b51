//! Where PID 1 stays when it cannot go on: a console, perhaps a shell, and reaping.
//!
//! Called from a panic hook and from handlers of fatal signals, so it uses system calls and fixed
//! buffers only, and trusts nothing of the process's own state.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fexecve, setsid, write};

use crate::clone::{CloneArgs, clone_process, exit_now};
use crate::signals;

const CONSOLE: &str = "/dev/console";

/// Says `text` on the console, runs `shell` (a busybox in memory) on it again and again, and reaps
/// whatever ends. Never returns.
pub fn stay(text: &[u8], shell: Option<BorrowedFd<'_>>) -> ! {
    // The handler's own signal is blocked while it runs; a shell must not inherit that.
    let _best_effort = signals::reset();
    say(text);
    loop {
        let child = shell.and_then(|shell| start(shell).ok());
        if child.is_none() {
            wait_for(None);
        }
        wait_for(child);
        // A shell that cannot run ends at once: it must not fill the console for ever.
        nix::unistd::sleep(1);
        say(b"\r\nThe emergency shell has ended; here is a new one.\r\n");
    }
}

fn say(text: &[u8]) {
    if let Ok(console) = open(CONSOLE, OFlag::O_WRONLY | OFlag::O_NOCTTY, Mode::empty()) {
        let _nowhere_else_to_say_it = write(&console, text);
    }
}

fn start(shell: BorrowedFd<'_>) -> Result<i32, Errno> {
    let args = CloneArgs {
        namespaces: CloneFlags::empty(),
        cgroup: None,
    };
    let process = clone_process(&args, || {
        let _cannot_say_more = signals::reset().and_then(|()| become_shell(shell));
        exit_now(127)
    })?;
    Ok(process.pid)
}

fn become_shell(shell: BorrowedFd<'_>) -> Result<(), Errno> {
    setsid()?;
    let console = open(CONSOLE, OFlag::O_RDWR, Mode::empty())?;
    // Without a controlling terminal there is no job control; the shell works all the same.
    let _no_job_control = crate::tty::make_controlling(console.as_fd());
    dup2_stdin(&console)?;
    dup2_stdout(&console)?;
    dup2_stderr(&console)?;
    let _stays_where_it_is = chdir("/");
    let environment = [
        c"PATH=/usr/bin:/bin",
        c"HOME=/",
        c"TERM=vt100",
        c"PS1=orlop-emergency# ",
    ];
    fexecve(shell, &[c"sh"], &environment).map(drop)
}

/// Reaps until `pid` has ended; for ever without one. The loop of PID 1 is no more: this is the one
/// place that waits now.
fn wait_for(pid: Option<i32>) {
    loop {
        match waitpid(None, None) {
            Ok(ended) if pid.is_some() && ended.pid().map(Pid::as_raw) == pid => return,
            Err(Errno::ECHILD) if pid.is_some() => return,
            Err(Errno::ECHILD) => nix::unistd::pause(),
            // EINVAL: ended by a real-time signal, for which nix has no name. EINTR: a signal.
            Ok(_) | Err(_) => {}
        }
    }
}
