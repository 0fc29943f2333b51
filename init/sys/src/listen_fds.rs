//! The descriptors that PID 1 passed to this process: LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID as
//! sd_listen_fds(3) has them.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first passed descriptor.
const FIRST: RawFd = 3;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the passed descriptors, with their names, in order; makes them close-on-exec. Empty when
/// none were passed to this very process, and at every call but the first.
///
/// A name that is missing is empty. A number that is not open ends the list.
pub fn take() -> Vec<(String, OwnedFd)> {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u32>().ok())
    };
    let count = number("LISTEN_FDS").unwrap_or(0);
    if number("LISTEN_PID") != Some(std::process::id()) || TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut taken = Vec::new();
    for passed in 0..count {
        let Some(number) = RawFd::try_from(passed)
            .ok()
            .and_then(|n| FIRST.checked_add(n))
        else {
            break;
        };
        // SAFETY: F_SETFD on a number that is not open is EBADF and harms nothing.
        let flags = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        if flags < 0 {
            break;
        }
        // SAFETY: the number is open, our parent passed it for us to own (LISTEN_PID), and TAKEN
        // makes sure that we take it once.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        taken.push((names.next().unwrap_or_default().to_owned(), fd));
    }
    taken
}
