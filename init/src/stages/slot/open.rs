//! The slot as a device whose every block the kernel checks when it is read.

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

/// A slot that the kernel has opened.
#[derive(Debug)]
pub(in crate::stages) struct Opened {
    slot: Slot,
    /// From before the first read on: no bad block goes untold.
    uevents: Option<OwnedFd>,
}

/// Opens the slot.
///
/// # Errors
/// When the kernel does not: one sentence.
pub(in crate::stages) async fn open(
    reaper: &Reaper,
    slot: Slot,
    root: &RootHash,
) -> Result<Opened, Fatal> {
    let opened = Opened {
        slot,
        uevents: orlop_sys::uevent::open().ok(),
    };
    let node = opened.slot.node();
    match children::run(reaper, DEADLINE, &[], || create(&node, root)).await {
        Ok(()) => Ok(opened),
        Err(error) => Err(opened.failed(cause(&chain(&error)))),
    }
}

impl Opened {
    /// The node to be mounted.
    pub(in crate::stages) fn device(&self) -> PathBuf {
        Path::new("/dev").join(DEVICE)
    }

    /// The sentence about a slot that cannot be used: for this cause, or for the bad block that the
    /// kernel has told of.
    pub(in crate::stages) fn failed(&self, cause: String) -> Fatal {
        let bad = self.uevents.as_ref().and_then(bad_blocks::first);
        let cause = bad.map_or(cause, |block| bad_blocks::described(&[block]));
        Fatal(format!("{} does not open: {cause}; {REMEDY}", self.slot))
    }

    /// Listens for bad blocks from now on.
    pub(in crate::stages) fn listen(self, notices: &Notices) -> Slot {
        let watch = |socket| watch(socket, Interest::READABLE).ok();
        if let Some(uevents) = self.uevents.and_then(watch) {
            let listen = bad_blocks::listen(uevents, self.slot.clone(), notices.clone());
            crate::task::spawn(listen);
        }
        self.slot
    }
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
