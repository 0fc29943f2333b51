//! The state disk that `system.toml` names: waited for, and known by what its file system says.
//!
//! Part of stage `devices`, whose own look finds the disk by its serial.

mod superblock;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orlop_config::DiskName;
use tokio::io::Interest;
use tokio::sync::mpsc;

use super::devices::changed;
use crate::children;
use crate::clock::boottime;
use crate::reaper::Reaper;
use crate::stage::Done;
use crate::watched::watch;

/// How long the disk is waited for, and one that does not answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long others may still say that they are called the same.
const GRACE: Duration = Duration::from_secs(1);

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
    let (mut asked, mut found) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting = 0_usize;
    loop {
        for disk in block_devices() {
            if asked.insert(disk.clone()) {
                waiting += 1;
                let (reaper, name, answers) = (reaper.clone(), name.clone(), answers.clone());
                tokio::task::spawn_local(async move {
                    let is_it = is_called(&reaper, &disk, &name).await;
                    let _given_up = answers.send((disk, is_it));
                });
            }
        }
        let left = match found.is_empty() {
            true => deadline.saturating_sub(boottime()),
            false if waiting == 0 => break,
            false => GRACE,
        };
        tokio::select! {
            biased;
            Some((disk, is_it)) = answered.recv() => {
                waiting -= 1;
                if is_it {
                    found.insert(disk);
                }
            }
            _ = changed(uevents.as_ref()) => {}
            () = tokio::time::sleep(left) => break,
        }
    }
    chosen(name, &found, &asked)
}

async fn is_called(reaper: &Reaper, disk: &str, name: &DiskName) -> bool {
    if let DiskName::Node(node) = name {
        return node == disk;
    }
    let node = Path::new("/dev").join(disk);
    // A disk that does not answer is another one.
    let read = children::run(reaper, DEADLINE, &[], || superblock::is_called(&node, name));
    read.await.is_ok()
}

/// Of several the first by name, which is said.
fn chosen(
    name: &DiskName,
    found: &BTreeSet<String>,
    there: &BTreeSet<String>,
) -> Result<Done<PathBuf>, String> {
    let list = |disks: &BTreeSet<String>| {
        let disks: Vec<&str> = disks.iter().map(String::as_str).collect();
        disks.join(", ")
    };
    let Some(first) = found.first() else {
        return Err(format!(
            "the state disk {name} of system.toml did not come within {} s (block devices: {})",
            DEADLINE.as_secs(),
            list(there)
        ));
    };
    let several = (found.len() > 1).then(|| {
        format!(
            "the disks {} are all called {name}: {first} is taken; give the others another label or UUID",
            list(found)
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
        let there = set(&["vda", "vdb", "vdc"]);
        let done = chosen(&name, &set(&["vdb"]), &there).unwrap();
        assert_eq!(
            (done.value, done.degraded),
            (PathBuf::from("/dev/vdb"), vec![])
        );
        let done = chosen(&name, &set(&["vdc", "vdb"]), &there).unwrap();
        assert_eq!(done.value, PathBuf::from("/dev/vdb"));
        assert!(
            done.degraded[0].starts_with("the disks vdb, vdc are all called LABEL=data: vdb is")
        );
    }

    #[test]
    fn a_disk_that_did_not_come_is_named_with_those_that_did() {
        let name = DiskName::Label("data".to_owned());
        let sentence = chosen(&name, &set(&[]), &set(&["vda", "vdb"])).unwrap_err();
        let expected = "the state disk LABEL=data of system.toml did not come within 10 s (block devices: vda, vdb)";
        assert_eq!(sentence, expected);
    }
}
