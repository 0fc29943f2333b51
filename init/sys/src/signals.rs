//! The signal state that a child inherits and must not keep.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// Sets every disposition to the default (also those ignored, such as Rust's SIGPIPE) and then
/// unblocks all signals. Child-safe.
///
/// # Errors
/// The errno of sigprocmask(2).
pub fn reset() -> Result<(), Errno> {
    // SAFETY: sigaction is plain old data; all bytes zero is SIG_DFL without flags.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    for signal in 1..=libc::SIGRTMAX() {
        // SIGKILL, SIGSTOP and the C library's own signals answer EINVAL: they are at their
        // default anyway.
        // SAFETY: `default` is a valid sigaction; the old one is not asked for.
        unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}
