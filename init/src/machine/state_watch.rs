//! The state disk while the machine runs: settled beside the first services, and watched for what it
//! may meet: errors, after which ext4 is read-only, and being pulled out. Nothing here waits for it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::sys::statvfs::statvfs;
use orlop_sys::fs_error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::running::Shared;
use crate::stages::devices::changed;
use crate::stages::state_disk;
use crate::watched::watch;

/// The keys of what is told.
const GONE: &str = "state-gone";
const READ_ONLY: &str = "state-read-only";

/// Runs for as long as PID 1 does, when there is a state disk.
pub(super) async fn follow(shared: Rc<Shared>) {
    let Some(state) = shared.storage.state.clone() else {
        return;
    };
    if state.settles {
        let (shared, state) = (shared.clone(), state.clone());
        crate::task::spawn(async move {
            state_disk::settle(&shared.report, &shared.reaper, &state).await;
        });
    }
    let name = PathBuf::from(state.device.file_name().unwrap_or_default());
    let named = name.display();
    let device = Path::new("/sys/class/block").join(&name);
    let uevents = orlop_sys::uevent::open()
        .ok()
        .and_then(|socket| watch(socket, Interest::READABLE).ok());
    let mut errors = fs_error::watch(c"/state")
        .ok()
        .and_then(|group| watch(group, Interest::READABLE).ok());
    loop {
        if !device.exists() {
            let sentence = format!(
                "the state disk {named} is gone: services that keep something on it fail, and what they write is lost; \
                 power the machine off and put it back"
            );
            shared.notices.add(GONE, sentence);
            return;
        }
        tokio::select! {
            _ = changed(uevents.as_ref()) => {}
            () = error(&mut errors) => {
                let sentence = format!(
                    "the state disk {named} had an error and is read-only: services that write to it fail; reboot, and it is \
                     checked (the kernel's messages say what it was)"
                );
                shared.notices.add(READ_ONLY, sentence);
            }
        }
    }
}

/// Waits until the file system tells of an error, once.
async fn error(watched: &mut Option<AsyncFd<OwnedFd>>) {
    while let Some(errors) = watched
        && let Ok(mut ready) = errors.readable().await
    {
        if fs_error::take(errors.get_ref().as_fd()) {
            *watched = None;
            return;
        }
        ready.clear_ready();
    }
    std::future::pending().await
}

/// What stands only as long as it is so: nothing is left for services. The kernel has the number at
/// hand and asks no disk.
pub(super) fn full(shared: &Shared) -> Option<String> {
    let state = shared.storage.state.as_ref()?;
    let found = statvfs("/state").ok()?;
    (found.blocks_available() == 0).then(|| {
        format!(
            "the state disk {} is full: services get ENOSPC; remove something from a volume, or give it a larger disk",
            state.device.display()
        )
    })
}
