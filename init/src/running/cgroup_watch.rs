//! One inotify for the cgroup.events and memory.events.local of all services
//! (Documentation/admin-guide/cgroup-v2).
//!
//! Events may be coalesced: a notification only says "look"; the loop reads the file (edge 15).

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use orlop_config::ServiceName;
use orlop_container::cgroup::Cgroup;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::watched::watch;

use crate::machine::LoopEvent;

/// The handle; clones share one inotify.
#[derive(Debug, Clone)]
pub struct CgroupWatch(Rc<Watches>);

#[derive(Debug)]
struct Watches {
    inotify: AsyncFd<Watched>,
    names: RefCell<HashMap<WatchDescriptor, (ServiceName, Changed)>>,
}

/// Which file of a cgroup changed.
#[derive(Debug, Clone, Copy)]
enum Changed {
    /// cgroup.events.
    Population,
    /// memory.events.local.
    Memory,
}

/// What tokio can watch.
#[derive(Debug)]
struct Watched(Inotify);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl CgroupWatch {
    /// Starts watching on behalf of the loop.
    ///
    /// # Errors
    /// When the kernel gives no inotify.
    pub fn start(events: mpsc::UnboundedSender<LoopEvent>) -> io::Result<Self> {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let inotify = watch(Watched(Inotify::init(flags)?), Interest::READABLE)?;
        let watches = Rc::new(Watches {
            inotify,
            names: RefCell::default(),
        });
        tokio::task::spawn_local(run(watches.clone(), events));
        Ok(Self(watches))
    }

    /// Tells the loop from now on when this service's cgroup is populated or empty, or the kernel
    /// kills in it for want of memory. The watches end with the directory.
    ///
    /// # Errors
    /// The errno of inotify_add_watch(2).
    pub fn add(&self, service: &ServiceName, cgroup: &Cgroup) -> Result<(), Errno> {
        self.watch(service, &cgroup.events_path(), Changed::Population)?;
        match self.watch(service, &cgroup.memory_events_path(), Changed::Memory) {
            // No service of this machine has a limit of memory: the controller is off.
            Err(Errno::ENOENT) => Ok(()),
            result => result,
        }
    }

    fn watch(&self, service: &ServiceName, file: &Path, what: Changed) -> Result<(), Errno> {
        let Watched(inotify) = self.0.inotify.get_ref();
        let descriptor = inotify.add_watch(file, AddWatchFlags::IN_MODIFY)?;
        let mut names = self.0.names.borrow_mut();
        names.insert(descriptor, (service.clone(), what));
        Ok(())
    }
}

async fn run(watches: Rc<Watches>, events: mpsc::UnboundedSender<LoopEvent>) {
    while let Ok(mut ready) = watches.inotify.readable().await {
        let read =
            ready.try_io(|inotify| inotify.get_ref().0.read_events().map_err(io::Error::from));
        let Ok(Ok(changes)) = read else { continue };
        for change in changes {
            let mut names = watches.names.borrow_mut();
            let name = if change.mask.contains(AddWatchFlags::IN_IGNORED) {
                names.remove(&change.wd);
                None
            } else {
                names.get(&change.wd).cloned()
            };
            if let Some((name, what)) = name {
                let _loop_never_ends = events.send(match what {
                    Changed::Population => LoopEvent::CgroupChanged(name),
                    Changed::Memory => LoopEvent::MemoryChanged(name),
                });
            }
        }
    }
}
