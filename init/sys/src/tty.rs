//! Terminals (tty_ioctl(4)).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Makes `tty` the controlling terminal of the caller, who leads a session without one. Child-safe.
///
/// # Errors
/// The errno of ioctl(2): EPERM when the caller leads no session, or the terminal belongs to another.
pub fn make_controlling(tty: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: TIOCSCTTY takes an integer, no pointer; 0 asks for no stealing.
    Errno::result(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
}
