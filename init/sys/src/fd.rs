//! Descriptors: what a child keeps, and small questions about one.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Makes reads and writes on it answer EAGAIN instead of blocking. Shared by all who hold the same
/// open file description.
///
/// # Errors
/// The errno of fcntl(2).
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

/// A close-on-exec duplicate with a number of at least `least`. Child-safe.
///
/// # Errors
/// The errno of fcntl(2).
pub fn duplicate_from(fd: BorrowedFd<'_>, least: RawFd) -> Result<OwnedFd, Errno> {
    let number = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(least))?;
    // SAFETY: F_DUPFD_CLOEXEC has just made this descriptor and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes `number` refer to what `fd` does and stay open over exec; what `number` was is closed.
/// Meant for a child that is about to exec: it owns its whole descriptor table. Child-safe.
///
/// # Errors
/// The errno of dup2(2); EINVAL when `fd` has that number already (its close-on-exec flag would
/// stay as it is).
pub fn place_at(fd: BorrowedFd<'_>, number: RawFd) -> Result<(), Errno> {
    if fd.as_raw_fd() == number {
        return Err(Errno::EINVAL);
    }
    // SAFETY: dup2 takes any two numbers; the child owns its table and uses no descriptor that it
    // has replaced afterwards.
    Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
}

/// Sets close-on-exec on all descriptors from `first` on (close_range(2)). Child-safe.
///
/// # Errors
/// The errno of close_range(2).
pub fn close_on_exec_from(first: RawFd) -> Result<(), Errno> {
    let first = u32::try_from(first).map_err(|_| Errno::EBADF)?;
    // SAFETY: with CLOSE_RANGE_CLOEXEC nothing is closed, only flags are set.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC) };
    Errno::result(result).map(drop)
}

/// Closes all descriptors but those in the sorted list. Only in a forked child, which leaves by exec
/// or `_exit` and so never drops the owners of what was closed. Child-safe.
///
/// # Errors
/// The errno of close_range(2).
pub fn close_all_but(sorted: &[RawFd]) -> Result<(), Errno> {
    let mut first = 0;
    for &kept in sorted {
        let kept = u32::try_from(kept).map_err(|_| Errno::EBADF)?;
        if first < kept {
            close_range(first, kept - 1)?;
        }
        first = first.max(kept + 1);
    }
    close_range(first, u32::MAX)
}

/// Closes one descriptor by number in a forked child, which leaves by exec or `_exit` and so never
/// drops the owner that its copy of the memory shows. Child-safe.
///
/// # Errors
/// The errno of close_range(2).
pub fn close_in_child(number: RawFd) -> Result<(), Errno> {
    let number = u32::try_from(number).map_err(|_| Errno::EBADF)?;
    close_range(number, number)
}

fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: only called in a forked child that uses none of these descriptors afterwards and
    // runs no destructor of their owners.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(result).map(drop)
}

const CLOSE_RANGE_CLOEXEC: u32 = 4;
