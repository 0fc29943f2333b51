//! A proc of PID 1's own, which no path leads to: every write to a proc file goes through it, so
//! that nothing mounted over `/proc` can redirect one (rule R6).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use orlop_sys::mount_api::{FsContext, MountFlags};

use crate::weaken::{Rule, holds};

/// A detached mount of proc, for PID 1's pid namespace.
#[derive(Debug)]
pub struct PrivateProc(OwnedFd);

impl PrivateProc {
    /// Mounts it; once at boot. `/proc` itself need not be there.
    ///
    /// # Errors
    /// The errno of fsopen(2), fsconfig(2) or fsmount(2).
    pub fn open() -> Result<Self, Errno> {
        let flags = MountFlags {
            nosuid: true,
            nodev: true,
            noexec: true,
            ..MountFlags::default()
        };
        if !holds(Rule::R06) {
            let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            return open(c"/proc", flags, Mode::empty()).map(Self);
        }
        FsContext::open(c"proc")?.mount(flags).map(Self)
    }
}

impl AsFd for PrivateProc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
