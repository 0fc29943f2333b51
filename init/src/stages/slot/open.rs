//! The slot as a device whose every block the kernel checks when it is read.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use orlop_sys::device_mapper::create_read_only;
use tokio::io::Interest;

use super::{DEVICE, REMEDY, Slot, bad_blocks, superblock};
use crate::children;
use crate::cmdline::RootHash;
use crate::machine::Notices;
use crate::reaper::Reaper;
use crate::stage::{Fatal, chain};
use crate::watched::watch;

const DEADLINE: Duration = Duration::from_secs(30);
/// A data block's sectors.
const SECTORS: u64 = 8;

/// Opens the slot, has `mount` mount the device, and listens for bad blocks from then on.
///
/// # Errors
/// When the kernel does not open it, or a block that the mount reads is bad: one sentence.
pub(in crate::stages) async fn open<F: Future<Output = Result<(), String>>>(
    reaper: &Reaper,
    slot: &Slot,
    root: &RootHash,
    notices: &Notices,
    mount: impl FnOnce(PathBuf) -> F,
) -> Result<(), Fatal> {
    // From before the first read on: no bad block goes untold.
    let uevents = orlop_sys::uevent::open().ok();
    let node = slot.node();
    let opened = children::run(reaper, DEADLINE, &[], || create(&node, root)).await;
    let mounted = match opened {
        Ok(()) => mount(Path::new("/dev").join(DEVICE)).await,
        Err(error) => Err(cause(&chain(&error))),
    };
    if let Err(error) = mounted {
        let bad = uevents.as_ref().and_then(bad_blocks::first);
        let cause = bad.map_or(error, |block| bad_blocks::described(&[block]));
        return Err(Fatal(format!("{slot} does not open: {cause}; {REMEDY}")));
    }
    let watched = uevents.and_then(|socket: OwnedFd| watch(socket, Interest::READABLE).ok());
    if let Some(uevents) = watched {
        let listen = bad_blocks::listen(uevents, slot.clone(), notices.clone());
        tokio::task::spawn_local(listen);
    }
    Ok(())
}

/// In the child. Without `restart_on_corruption` and `panic_on_corruption`: a bad block is an error of
/// its read, and the machine goes on.
fn create(partition: &Path, root: &RootHash) -> Result<(), Errno> {
    let layout = superblock::read(partition, root)?;
    let (blocks, hashes) = (layout.blocks, layout.blocks + 1);
    let partition = partition.display();
    let (root, salt) = (root.as_str(), layout.salt);
    let table =
        format!("1 {partition} {partition} 4096 4096 {blocks} {hashes} sha256 {root} {salt}");
    create_read_only(c"system", blocks * SECTORS, c"verity", &table)
}

/// The kernel says EINVAL for a target that it does not know, too.
fn cause(error: &str) -> String {
    match Path::new("/sys/module/dm_verity").exists() {
        true => error.to_owned(),
        false => {
            format!("{error}, the kernel's module dm_verity is not loaded: build the image again")
        }
    }
}
