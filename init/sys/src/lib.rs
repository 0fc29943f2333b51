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

pub mod block;
pub mod bpf;
pub mod child;
pub mod clock;
pub mod clone;
pub mod console;
pub mod credentials;
pub mod datagram;
pub mod device_mapper;
pub mod emergency;
pub mod entropy;
pub mod error;
pub mod exec;
pub mod ext4;
pub mod fault;
pub mod fd;
pub mod fs_error;
pub mod kmsg;
pub mod listen_fds;
pub mod loop_device;
pub mod memfd;
pub mod module;
pub mod mount_api;
pub mod namespace;
#[cfg(all(target_env = "musl", panic = "abort"))]
pub mod no_unwinder;
pub mod packet;
pub mod path;
pub mod pidfd;
pub mod pipe;
pub mod power;
pub mod reaper;
pub mod scm;
pub mod seccomp;
pub mod signals;
pub mod tty;
pub mod uevent;
pub mod watchdog;

pub use nix::errno::Errno;
