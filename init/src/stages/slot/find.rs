//! Which slot is the one of the root hash, as soon as the kernel has it.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use orlop_config::compact::sort_by;
use tokio::io::Interest;
use tokio::sync::Notify;

use super::{Letter, REMEDY, Slot, superblock};
use crate::boot_info::BootInfo;
use crate::children::{self, ChildError};
use crate::clock::boottime;
use crate::cmdline::RootHash;
use crate::drivers;
use crate::reaper::Reaper;
use crate::report::Report;
use crate::stage::{Done, Fatal, chain};
use crate::stages::devices::changed;
use crate::stages::kernel_modules::{INITRAMFS_MODULES, load_batch};
use crate::watched::watch;

/// How long a slot is waited for: an adapter may take its time to find its disks.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long after the last news, when there are slots, but of other root hashes.
const GRACE: Duration = Duration::from_secs(10);
/// How long a disk may take to answer.
const READ: Duration = Duration::from_secs(10);

/// A slot that is not the one, and why.
struct Refused {
    slot: Slot,
    why: String,
    /// Nothing that happens changes it.
    is_final: bool,
}

/// Loads the batch `disk`, and drivers for as long as the slot is not there.
///
/// # Errors
/// When no slot is of this root hash: names those that there are.
pub(in crate::stages) async fn find(
    report: &Report,
    reaper: &Reaper,
    info: &BootInfo,
    root: &RootHash,
) -> Result<Done<Slot>, Fatal> {
    let (modules, names) = (Path::new(INITRAMFS_MODULES), &info.modules.disk);
    let loaded = load_batch(report, reaper, modules, "disk", names).await;
    let degraded: Vec<String> = loaded.err().into_iter().collect();
    let deadline = boottime() + DEADLINE;
    // Opened before the first look, so that no disk slips in between.
    let uevents = orlop_sys::uevent::open()
        .ok()
        .and_then(|socket| watch(socket, Interest::READABLE).ok());
    let mut refused = Vec::new();
    if let Some(slot) = look(reaper, root, &mut refused).await {
        return Ok(Done {
            value: slot,
            degraded,
        });
    }
    let wanted = Rc::new(Notify::new());
    wanted.notify_one();
    let drivers = crate::task::spawn(load_drivers(report.clone(), reaper.clone(), wanted.clone()));
    let found = loop {
        let left = deadline.saturating_sub(boottime());
        let left = match refused.is_empty() {
            true => left,
            false => left.min(GRACE),
        };
        tokio::select! {
            wants_driver = changed(uevents.as_ref()) => {
                if wants_driver {
                    wanted.notify_one();
                }
            }
            () = tokio::time::sleep(left) => break None,
        }
        refused.retain(|refused: &Refused| refused.is_final);
        if let Some(slot) = look(reaper, root, &mut refused).await {
            break Some(slot);
        }
    };
    drivers.abort();
    match found {
        Some(value) => Ok(Done { value, degraded }),
        None => Err(Fatal(none_fits(root, &refused, &degraded))),
    }
}

async fn load_drivers(report: Report, reaper: Reaper, wanted: Rc<Notify>) {
    loop {
        wanted.notified().await;
        if let Err(error) = drivers::load(&reaper).await {
            report.warn(&format!("loading drivers: {}", chain(&error)));
        }
    }
}

/// Asks each slot once that was not refused before.
async fn look(reaper: &Reaper, root: &RootHash, refused: &mut Vec<Refused>) -> Option<Slot> {
    for slot in slots() {
        if refused.iter().any(|refused| refused.slot == slot) {
            continue;
        }
        let node = slot.node();
        let read = children::run(reaper, READ, &[], || {
            superblock::read(&node, root).map(drop)
        });
        let Err(error) = read.await else {
            return Some(slot);
        };
        let known = match &error {
            ChildError::Work(errno) => refusal(*errno),
            _ => None,
        };
        refused.push(Refused {
            slot,
            why: known.map_or_else(
                || format!("cannot be read ({})", chain(&error)),
                str::to_owned,
            ),
            is_final: known.is_some(),
        });
    }
    None
}

/// What [`superblock::read`] says of a slot that can be read.
fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::ENOENT => Some("holds another system"),
        Errno::EMEDIUMTYPE => Some("holds none"),
        Errno::EUCLEAN => Some("has a damaged verity superblock"),
        _ => None,
    }
}

/// The partitions that are called as slots are, by the kernel's names.
fn slots() -> Vec<Slot> {
    let mut slots = Vec::new();
    for entry in fs::read_dir("/sys/class/block")
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let uevent = fs::read_to_string(path.join("uevent")).unwrap_or_default();
        let Some(letter) = letter(&uevent) else {
            continue;
        };
        // A partition's folder lies in its disk's.
        let place = fs::read_link(&path).unwrap_or_default();
        let disk = place.parent().and_then(Path::file_name);
        slots.push(Slot {
            letter,
            partition: entry.file_name().to_string_lossy().into_owned(),
            disk: disk.unwrap_or_default().to_string_lossy().into_owned(),
        });
    }
    sort_by(&mut slots, |a, b| a.partition.cmp(&b.partition));
    slots
}

/// Of a partition's variables (block/partitions/core.c, `part_uevent`).
fn letter(uevent: &str) -> Option<Letter> {
    uevent.lines().find_map(|line| match line {
        "PARTNAME=orlop-system-a" => Some(Letter::A),
        "PARTNAME=orlop-system-b" => Some(Letter::B),
        _ => None,
    })
}

fn none_fits(root: &RootHash, refused: &[Refused], degraded: &[String]) -> String {
    let mut causes = degraded.to_vec();
    for Refused { slot, why, .. } in refused {
        causes.push(format!("{slot} {why}"));
    }
    if refused.is_empty() {
        causes.push(format!(
            "no partition called orlop-system-a or orlop-system-b came within {} s: plug its disk in, or \
             build with a kernel that drives it (`kernel = {{ debian = \"linux-image-amd64\" }}`)",
            DEADLINE.as_secs(),
        ));
    }
    format!(
        "no slot holds the system of roothash={}: {}; {REMEDY}",
        root.as_str(),
        causes.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_known_by_its_partitions_name() {
        let uevent = |name: &str| {
            format!("MAJOR=254\nDEVNAME=vda2\nDEVTYPE=partition\nPARTN=2\nPARTNAME={name}\n")
        };
        assert_eq!(letter(&uevent("orlop-system-a")), Some(Letter::A));
        assert_eq!(letter(&uevent("orlop-system-b")), Some(Letter::B));
        assert_eq!(letter(&uevent("orlop-system-ab")), None);
        assert_eq!(letter("DEVNAME=vda\nDEVTYPE=disk\n"), None);
    }

    #[test]
    fn the_sentence_names_slot_cause_and_remedy() {
        let root = RootHash::parse(&"5a".repeat(32)).unwrap();
        let refused = |letter, partition: &str, errno| Refused {
            slot: Slot {
                letter,
                partition: partition.to_owned(),
                disk: "vda".to_owned(),
            },
            why: refusal(errno).unwrap().to_owned(),
            is_final: true,
        };
        let both = [
            refused(Letter::A, "vda2", Errno::ENOENT),
            refused(Letter::B, "vda3", Errno::EMEDIUMTYPE),
        ];
        let begin = format!("no slot holds the system of roothash={}: ", "5a".repeat(32));
        assert_eq!(
            none_fits(&root, &both, &[]),
            format!(
                "{begin}slot A (vda2) holds another system, slot B (vda3) holds none; flash the disk again \
                 with `orlop flash`"
            )
        );
        let none = none_fits(&root, &[], &["loading modules dm_mod: ENOENT".to_owned()]);
        let modules = "loading modules dm_mod: ENOENT, no partition called";
        assert!(none.starts_with(&format!("{begin}{modules}")), "{none}");
        assert!(
            none.ends_with("; flash the disk again with `orlop flash`"),
            "{none}"
        );
    }
}
