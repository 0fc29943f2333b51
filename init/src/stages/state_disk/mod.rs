//! The state disk that `system.toml` names: waited for, and known by what its file system says.
//!
//! Part of stage `devices`, whose own look finds the disk by its serial.

mod asked;
mod mount;
mod superblock;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use orlop_config::DiskName;
use tokio::io::Interest;
use tokio::sync::mpsc;

use self::asked::{Answer, Asked};
use super::devices::changed;
use crate::children::{self, ChildError};
use crate::clock::boottime;
use crate::reaper::Reaper;
use crate::stage::Done;
use crate::watched::watch;

pub use mount::{Mounted, StateDisk, mount, settle};

/// How long the disk is waited for, and one that does not answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long others may still say that they are called the same.
const GRACE: Duration = Duration::from_secs(1);
/// What the child says of a disk that could be read and is called otherwise.
const OTHERWISE: Errno = Errno::EMEDIUMTYPE;

/// Finds the disk, as soon as the kernel has it.
///
/// # Errors
/// One fragment: which disk did not come, and which there are.
pub(super) async fn find(reaper: &Reaper, name: &DiskName) -> Result<Done<PathBuf>, String> {
    let deadline = boottime() + DEADLINE;
    // Opened before the first look, so that no disk slips in between.
    let uevents = orlop_sys::uevent::open()
        .ok()
        .and_then(|socket| watch(socket, Interest::READABLE).ok());
    let (answers, mut answered) = mpsc::unbounded_channel();
    let (mut asked, mut found) = (Asked::default(), BTreeSet::new());
    loop {
        for disk in block_devices() {
            if asked.is_to_be_asked(&disk) {
                let (reaper, name, answers) = (reaper.clone(), name.clone(), answers.clone());
                crate::task::spawn(async move {
                    let answer = is_called(&reaper, &disk, &name).await;
                    let _given_up = answers.send((disk, answer));
                });
            }
        }
        let left = match found.is_empty() {
            true => deadline.saturating_sub(boottime()),
            false if asked.all_answered() => break,
            false => GRACE,
        };
        tokio::select! {
            biased;
            Some((disk, answer)) = answered.recv() => {
                asked.answered(&disk, answer);
                if answer == Answer::Yes {
                    found.insert(disk);
                }
            }
            _ = changed(uevents.as_ref()) => asked.changed(),
            () = tokio::time::sleep(left) => break,
        }
    }
    chosen(name, &found, &asked.disks())
}

async fn is_called(reaper: &Reaper, disk: &str, name: &DiskName) -> Answer {
    if let DiskName::Node(node) = name {
        return match node == disk {
            true => Answer::Yes,
            false => Answer::No,
        };
    }
    let node = Path::new("/dev").join(disk);
    let read = children::run(reaper, DEADLINE, &[], || {
        match superblock::is_called(&node, name)? {
            true => Ok(()),
            false => Err(OTHERWISE),
        }
    });
    match read.await {
        Ok(()) => Answer::Yes,
        Err(ChildError::Work(OTHERWISE)) => Answer::No,
        Err(_) => Answer::Unread,
    }
}

/// Of several the first by name, which is said.
fn chosen(name: &DiskName, found: &BTreeSet<String>, there: &str) -> Result<Done<PathBuf>, String> {
    let Some(first) = found.first() else {
        return Err(format!(
            "the state disk {name} of system.toml did not come within {} s (block devices: {there})",
            DEADLINE.as_secs(),
        ));
    };
    let several = (found.len() > 1).then(|| {
        let disks: Vec<&str> = found.iter().map(String::as_str).collect();
        let disks = disks.join(", ");
        format!(
            "the disks {disks} are all called {name}: {first} is taken; give the others another label or UUID"
        )
    });
    Ok(Done {
        value: Path::new("/dev").join(first),
        degraded: several.into_iter().collect(),
    })
}

/// Disks and partitions, but for those that are made of files and memory.
fn block_devices() -> Vec<String> {
    let names = fs::read_dir("/sys/class/block").into_iter().flatten();
    let names = names.flatten().map(|entry| entry.file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let made = |name: &String| {
        ["loop", "ram", "zram"]
            .iter()
            .any(|made| name.starts_with(made))
    };
    names.filter(|name| !made(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn of_several_the_first_is_taken_and_it_is_said() {
        let name = DiskName::Label("data".to_owned());
        let there = "vda, vdb, vdc";
        let done = chosen(&name, &set(&["vdb"]), there).unwrap();
        assert_eq!(
            (done.value, done.degraded),
            (PathBuf::from("/dev/vdb"), vec![])
        );
        let done = chosen(&name, &set(&["vdc", "vdb"]), there).unwrap();
        assert_eq!(done.value, PathBuf::from("/dev/vdb"));
        assert!(
            done.degraded[0].starts_with("the disks vdb, vdc are all called LABEL=data: vdb is")
        );
    }

    #[test]
    fn a_disk_that_did_not_come_is_named_with_those_that_did() {
        let name = DiskName::Label("data".to_owned());
        let sentence = chosen(&name, &set(&[]), "vda, vdb").unwrap_err();
        let expected = "the state disk LABEL=data of system.toml did not come within 10 s (block devices: vda, vdb)";
        assert_eq!(sentence, expected);
    }
}
