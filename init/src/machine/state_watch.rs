//! The state disk while the machine runs: settled beside the first services, and watched for what it
//! may meet: errors, after which ext4 is read-only, and being pulled out. Nothing here waits for it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::sys::statvfs::statvfs;
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
    let mut errors = Errors::watch(&Path::new("/sys/fs/ext4").join(&name));
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
            () = Errors::more(&mut errors) => {
                let sentence = format!(
                    "the state disk {named} had an error and is read-only: services that write to it fail; reboot, and it is \
                     checked (the kernel's messages say what it was)"
                );
                shared.notices.add(READ_ONLY, sentence);
            }
        }
    }
}

/// ext4's count of the errors that it has met, `/sys/fs/ext4/<disk>/errors_count`, which wakes whoever
/// polls it (since 5.18).
#[derive(Debug)]
struct Errors {
    file: AsyncFd<File>,
    seen: u64,
}

impl Errors {
    fn watch(folder: &Path) -> Option<Self> {
        let file = File::open(folder.join("errors_count")).ok()?;
        let seen = count(&file).ok()?;
        let file = watch(file, Interest::PRIORITY).ok()?;
        Some(Self { file, seen })
    }

    /// Waits for one more.
    async fn more(watched: &mut Option<Self>) {
        while let Some(errors) = watched {
            let Ok(mut ready) = errors.file.ready(Interest::PRIORITY).await else {
                *watched = None;
                break;
            };
            ready.clear_ready();
            let now = count(errors.file.get_ref()).unwrap_or(errors.seen);
            if now > errors.seen {
                errors.seen = now;
                return;
            }
        }
        std::future::pending().await
    }
}

fn count(file: &File) -> io::Result<u64> {
    let mut text = [0; 24];
    let length = file.read_at(&mut text, 0)?;
    let text = text.get(..length).unwrap_or_default();
    let parsed = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    parsed.ok_or_else(|| io::ErrorKind::InvalidData.into())
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
