//! The watchdog's device (Documentation/watchdog/watchdog-api.rst): opened it runs, and resets the
//! machine unless it is fed.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::unistd::write;

/// `_IOWR('W', 6, int)` of linux/watchdog.h.
const WDIOC_SETTIMEOUT: libc::Ioctl = 0xc004_5706_u32 as libc::Ioctl;

/// Asks for this many seconds and gives those that the hardware counts. Feeds it too.
///
/// # Errors
/// The errno of ioctl(2): EINVAL for a time that the hardware cannot count, EOPNOTSUPP for one that
/// cannot be told.
pub fn set_timeout(device: BorrowedFd<'_>, seconds: i32) -> Result<i32, Errno> {
    let mut seconds = seconds;
    let asked = &raw mut seconds;
    // SAFETY: WDIOC_SETTIMEOUT reads and writes one int, which lives until after the call.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), WDIOC_SETTIMEOUT, asked) })?;
    Ok(seconds)
}

/// It counts anew from here.
///
/// # Errors
/// The errno of write(2).
pub fn feed(device: impl AsFd) -> Result<(), Errno> {
    write(device, b"\0").map(drop)
}

/// The device's next close ends its watch, unless the driver was told `nowayout`.
///
/// # Errors
/// The errno of write(2).
pub fn disarm(device: impl AsFd) -> Result<(), Errno> {
    write(device, b"V").map(drop)
}
