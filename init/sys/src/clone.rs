//! clone3(2): a new process, with a pidfd from birth, in new namespaces, in a cgroup.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// What the new process is born into.
#[derive(Debug, Clone, Copy)]
pub struct CloneArgs<'fd> {
    /// `CLONE_NEW*` only.
    pub namespaces: CloneFlags,
    /// The directory of a cgroup v2 (CLONE_INTO_CGROUP); the caller's cgroup when absent.
    pub cgroup: Option<BorrowedFd<'fd>>,
}

/// A child: its pid (in the caller's pid namespace) and pidfd. The reaper reaps it.
#[derive(Debug)]
pub struct Process {
    /// In the caller's pid namespace.
    pub pid: i32,
    /// Readable when the process has ended; close-on-exec.
    pub pidfd: OwnedFd,
}

/// Makes a process that runs `child` on a copy of the caller's memory, and nothing after it:
/// what `child` returns is the exit code.
///
/// All signals are blocked around the call and stay blocked in the child, so that no handler of the
/// parent ever runs there: the child calls [`crate::signals::reset`] first. Only the calling thread
/// exists in the child. In a process with one thread (PID 1) `child` may do anything; in one with
/// several it must call child-safe functions only, since another thread may have held the
/// allocator's lock.
///
/// # Errors
/// The errno of clone3(2). Then nothing was made.
pub fn clone_process(args: &CloneArgs<'_>, child: impl FnOnce() -> i32) -> Result<Process, Errno> {
    clone_with(args, Parent::Caller, child)
}

/// As [`clone_process`] with nothing new, but the caller's own parent becomes the new process's
/// parent: it hears of its end and reaps it (CLONE_PARENT). For a child that has entered a pid
/// namespace, which counts only for processes that it makes (setns(2)). Child-safe.
///
/// # Errors
/// The errno of clone3(2); ENOMEM when process 1 of that pid namespace has ended.
pub fn clone_sibling(child: impl FnOnce() -> i32) -> Result<Process, Errno> {
    let args = CloneArgs {
        namespaces: CloneFlags::empty(),
        cgroup: None,
    };
    clone_with(&args, Parent::CallersParent, child)
}

/// Who a new process belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parent {
    Caller,
    CallersParent,
}

fn clone_with(
    args: &CloneArgs<'_>,
    parent: Parent,
    child: impl FnOnce() -> i32,
) -> Result<Process, Errno> {
    let mut pidfd: RawFd = -1;
    let mut flags = u64::try_from(args.namespaces.bits()).map_err(|_| Errno::EINVAL)? & NAMESPACES;
    flags |= u64::try_from(libc::CLONE_PIDFD).map_err(|_| Errno::EINVAL)?;
    // SAFETY: clone_args is plain old data, for which all bytes zero means "default".
    let mut raw: libc::clone_args = unsafe { std::mem::zeroed() };
    raw.pidfd = std::ptr::from_mut(&mut pidfd).addr() as u64;
    match parent {
        Parent::Caller => raw.exit_signal = libc::SIGCHLD as u64,
        // The kernel takes the caller's own exit signal.
        Parent::CallersParent => flags |= CLONE_PARENT,
    }
    if let Some(cgroup) = args.cgroup {
        flags |= CLONE_INTO_CGROUP;
        raw.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    }
    raw.flags = flags;

    let mut before = SigSet::empty();
    sigprocmask(
        SigmaskHow::SIG_SETMASK,
        Some(&SigSet::all()),
        Some(&mut before),
    )?;
    // SAFETY: `raw` is a valid clone_args of the size given; without CLONE_VM the child runs on a
    // copy of this stack, so a null stack is right; `pidfd` outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut raw,
            size_of::<libc::clone_args>(),
        )
    };
    if result == 0 {
        let _guard = ExitOnUnwind;
        exit_now(child());
    }
    let outcome = Errno::result(result);
    // It only refuses a bad argument; an error here must not lose the child, which exists.
    let _restored = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    let pid = i32::try_from(outcome?).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: clone3 succeeded with CLONE_PIDFD, so `pidfd` is an open descriptor that nobody owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Process { pid, pidfd })
}

/// Ends the calling process at once: no destructors, no buffers, no `atexit`. Child-safe.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_PARENT: u64 = libc::CLONE_PARENT as u64;
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// A panic in the child must not unwind into the parent's code.
struct ExitOnUnwind;

impl Drop for ExitOnUnwind {
    fn drop(&mut self) {
        exit_now(101);
    }
}
