//! Writing to the console without ever waiting for it (a serial line may be dead or stopped).

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::write;

/// Opens a terminal for reading and writing without making it the controlling one; close-on-exec
/// and non-blocking.
///
/// # Errors
/// The errno of open(2).
pub fn open_nonblocking(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty())
}

/// Writes as much as goes without waiting, and says how many bytes that were: 0 when the console
/// takes nothing now. The descriptor must be non-blocking. Child-safe.
///
/// # Errors
/// The errno of write(2), but for EAGAIN and EINTR.
pub fn write_now(console: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match write(console, rest) {
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(written)
}
