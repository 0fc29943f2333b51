//! The system calls that nix does not have (or not in the form that PID 1 needs), and the only
//! unsafe code of Orlop.
//!
//! nix is used where it fits, libc where it does not. Everything offered here is safe to call.
//! What a forked child may call before it execs (or exits) says so: **child-safe** means that the
//! function allocates nothing, takes no lock and is one or a few system calls.
#![expect(
    unsafe_code,
    reason = "the one crate that exists to hold it; every block argues its preconditions"
)]

pub mod child;
pub mod clock;
pub mod clone;
pub mod console;
pub mod entropy;
pub mod fault;
pub mod fd;
pub mod kmsg;
pub mod loop_device;
pub mod memfd;
pub mod module;
pub mod pidfd;
pub mod pipe;
pub mod power;
pub mod reaper;
pub mod scm;
pub mod signals;
pub mod uevent;

pub use nix::errno::Errno;
