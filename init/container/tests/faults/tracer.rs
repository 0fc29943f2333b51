//! Makes one system call of a process tree answer an errno instead of being made (ptrace(2)).
//!
//! The victim stops itself by SIGSTOP before and after each part that is under test. Its children
//! are under test from their birth to their execve.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Whose system call: in the order of their birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Who launches, as PID 1 does.
    Launcher = 0,
    /// The holder of the kept namespaces.
    Holder = 1,
    /// The container's main process before execve.
    Container = 2,
}

pub(crate) const ROLES: [Role; 3] = [Role::Launcher, Role::Holder, Role::Container];

/// What came of a run with one fault.
#[derive(Debug)]
pub(crate) struct Traced {
    /// The number of the system call that was made to fail; `None`: there were fewer than that.
    pub(crate) failed: Option<i64>,
    /// What the victim printed.
    pub(crate) output: String,
    /// How it ended.
    pub(crate) end: WaitStatus,
}

/// Calls that are no step of a launch: memory (an allocation that fails ends PID 1 on its emergency
/// console), `close` (which frees the descriptor whatever it answers), `umask` and `rt_sigaction` (which
/// have no errors but "no such signal"),
/// the end of a process, and what the test itself waits and stops itself with.
const SPARED: [i64; 18] = [
    libc::SYS_close,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mprotect,
    libc::SYS_brk,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigaction,
    libc::SYS_futex,
    libc::SYS_poll,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_umask,
    libc::SYS_waitid,
];

const F_GETFD: u64 = libc::F_GETFD as u64;

struct Tracee {
    /// Its place in [`ROLES`].
    role: usize,
    /// The fault is to be answered at the exit.
    failing: bool,
    under_test: bool,
    made: usize,
}

/// Runs `command` and makes the `nth` call of `role` answer `errno`.
pub(crate) fn run(command: &mut Command, role: Role, nth: usize, errno: Errno) -> Traced {
    let mut victim = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let main = Pid::from_raw(i32::try_from(victim.id()).unwrap());
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(main, options).unwrap();
    victim.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let mut tracees = BTreeMap::from([(main, tracee(0, false))]);
    let mut failed = None;
    let end = loop {
        let status = waitpid(None, Some(WaitPidFlag::__WALL)).unwrap();
        let Some(pid) = status.pid() else { continue };
        let born = tracees.len();
        let this = tracees.entry(pid).or_insert_with(|| tracee(born, true));
        let mut deliver = None;
        match status {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) if pid == main => break status,
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => continue,
            WaitStatus::Stopped(_, Signal::SIGSTOP) if pid == main => {
                this.under_test = !this.under_test;
            }
            WaitStatus::Stopped(_, signal) => deliver = Some(signal),
            WaitStatus::PtraceSyscall(_) => {
                if let Some(number) = this.call(pid, (role, nth), errno) {
                    failed = Some(number);
                }
            }
            WaitStatus::PtraceEvent(_, _, event) if event == libc::PTRACE_EVENT_EXEC => {
                this.under_test = false;
            }
            _ => {}
        }
        // ESRCH: it was killed meanwhile.
        let _killed = ptrace::syscall(pid, deliver);
    };
    let mut output = String::new();
    // The children are gone (or killed, EXITKILL is for the tracer's own end).
    for pid in tracees.keys().filter(|pid| **pid != main) {
        let _gone = nix::sys::signal::kill(*pid, Signal::SIGKILL);
    }
    victim
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    let _reaped_above = victim.wait();
    Traced {
        failed,
        output,
        end,
    }
}

fn tracee(role: usize, under_test: bool) -> Tracee {
    Tracee {
        role,
        failing: false,
        under_test,
        made: 0,
    }
}

impl Tracee {
    /// At the entry or exit of a call; the call's number when this is the one that fails.
    fn call(&mut self, pid: Pid, (role, nth): (Role, usize), errno: Errno) -> Option<i64> {
        let entering = ptrace::syscall_info(pid).ok()?.op == libc::PTRACE_SYSCALL_INFO_ENTRY;
        if !entering {
            if std::mem::take(&mut self.failing) {
                let mut registers = ptrace::getregs(pid).ok()?;
                registers.rax = (-i64::from(errno as i32)).cast_unsigned();
                ptrace::setregs(pid, registers).unwrap();
            }
            return None;
        }
        if !self.under_test || self.role != role as usize {
            return None;
        }
        let mut registers = ptrace::getregs(pid).ok()?;
        let number = registers.orig_rax.cast_signed();
        // Without optimization std asks before each close whether the descriptor is open.
        let std_asks = number == libc::SYS_fcntl && registers.rsi == F_GETFD;
        if SPARED.contains(&number) || std_asks {
            return None;
        }
        self.made += 1;
        if self.made != nth {
            return None;
        }
        // A call that does not exist: the kernel makes none.
        registers.orig_rax = u64::MAX;
        ptrace::setregs(pid, registers).unwrap();
        self.failing = true;
        Some(number)
    }
}
