//! The signal state that a child inherits and must not keep.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// Sets every disposition to the default (also those ignored, such as Rust's SIGPIPE) and then
/// unblocks all signals. Child-safe.
///
/// # Errors
/// The errno of sigprocmask(2).
pub fn reset() -> Result<(), Errno> {
    // struct sigaction as the kernel knows it: SIG_DFL, no flags, no restorer, empty mask. By the
    // raw call, since the C library refuses the few signals that it keeps for itself.
    let default = [0_u64; 4];
    for signal in 1..=SIGNAL_COUNT {
        let (new, old) = (default.as_ptr(), std::ptr::null_mut::<u64>());
        // SAFETY: `new` points to four live words, of which the kernel reads at most all; the mask
        // is 8 bytes long. SIGKILL and SIGSTOP answer EINVAL: they are at their default anyway.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, new, old, size_of::<u64>()) };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

const SIGNAL_COUNT: i32 = 64;
