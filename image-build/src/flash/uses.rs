//! What a disk is in use for: the one thing that `orlop flash` must never get wrong. Pure.

use std::fmt;

use super::block::{Disk, Number};

/// A mounted file system: a line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Not that of a disk for file systems over several of them.
    number: Number,
    point: String,
    /// The device's path, if it is on one.
    source: String,
}

/// A use that keeps a disk from being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Use {
    /// The workstation's own `/` is on `device`.
    Root { device: String },
    /// `device` is mounted at all of these.
    Mounted { device: String, points: Vec<String> },
    /// `device` is swap space.
    Swap { device: String },
    /// `device` is part of `by`, which nothing uses.
    Held { device: String, by: String },
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root { device } => write!(
                f,
                "this workstation runs from it (/ is on /dev/{device}); take another disk"
            ),
            Self::Mounted { device, points } => {
                let points: Vec<String> = points.iter().map(|point| quoted(point)).collect();
                let points = points.join(" ");
                write!(
                    f,
                    "/dev/{device} is mounted at {points}; first: umount {points}"
                )
            }
            Self::Swap { device } => write!(
                f,
                "/dev/{device} is swap space in use; first: swapoff /dev/{device}"
            ),
            Self::Held { device, by } => write!(
                f,
                "/dev/{device} is part of /dev/{by}; end that first (`cryptsetup close`, `vgchange -an`, \
                 `mdadm --stop`)"
            ),
        }
    }
}

/// For a shell.
pub(super) fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,".contains(c);
    match path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

/// The worst use of a disk. `devices` tells the number of a path below `/dev`.
pub(super) fn find(
    disk: &Disk,
    mounts: &[Mount],
    swaps: &[String],
    devices: impl Fn(&str) -> Option<Number>,
) -> Option<Use> {
    let family = disk.family();
    let member = |number: Number| family.iter().find(|block| block.number == number);
    let on = |mount: &Mount| {
        member(mount.number).or_else(|| {
            let is_path = mount.source.starts_with("/dev/");
            let number = is_path.then(|| devices(&mount.source)).flatten()?;
            member(number)
        })
    };
    let used: Vec<_> = mounts
        .iter()
        .filter_map(|mount| Some((on(mount)?, mount)))
        .collect();
    if let Some((block, _)) = used.iter().find(|(_, mount)| mount.point == "/") {
        let device = block.called.clone();
        return Some(Use::Root { device });
    }
    if let Some((first, _)) = used.first() {
        let of_it = used
            .iter()
            .filter(|(block, _)| block.number == first.number);
        return Some(Use::Mounted {
            device: first.called.clone(),
            points: of_it.map(|(_, mount)| mount.point.clone()).collect(),
        });
    }
    let swap = swaps.iter().find_map(|path| member(devices(path)?));
    if let Some(block) = swap {
        let device = block.called.clone();
        return Some(Use::Swap { device });
    }
    let held = family.iter().find_map(|block| {
        let by = block.holders.first()?;
        Some((block.called.clone(), by.called.clone()))
    });
    held.map(|(device, by)| Use::Held { device, by })
}

/// `/proc/self/mountinfo`. A line that is none is passed over.
pub(super) fn mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let number = number(left.next()?)?;
    let point = unescaped(left.nth(1)?);
    let source = unescaped(right.split(' ').nth(1)?);
    Some(Mount {
        number,
        point,
        source,
    })
}

/// The paths of `/proc/swaps` (proc_swaps(5)).
pub(super) fn swaps(text: &str) -> Vec<String> {
    let lines = text.lines().skip(1);
    let paths = lines.filter_map(|line| line.split_whitespace().next());
    paths.map(unescaped).collect()
}

/// `8:16`.
pub(super) fn number(text: &str) -> Option<Number> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The kernel writes spaces and the like as `\040` (seq_path).
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = match code {
            Some(_) => after.get(3..).unwrap_or_default(),
            None => after,
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::block::Block;
    use super::*;

    fn block(name: &str, minor: u32, holders: Vec<Block>) -> Block {
        Block {
            name: name.to_owned(),
            called: name.to_owned(),
            number: (8, minor),
            bytes: 1 << 20,
            holders,
        }
    }

    /// sda with sda1, and sda2 that holds up dm-0.
    fn disk() -> Disk {
        let mapped = block("mapper/root", 90, Vec::new());
        Disk {
            block: block("sda", 0, Vec::new()),
            partitions: vec![block("sda1", 1, Vec::new()), block("sda2", 2, vec![mapped])],
            ..Disk::default()
        }
    }

    fn device(path: &str) -> Option<Number> {
        match path {
            "/dev/sda1" => Some((8, 1)),
            "/dev/sda2" => Some((8, 2)),
            "/dev/sdc" => Some((8, 32)),
            _ => None,
        }
    }

    fn said(mountinfo: &str, swaps_text: &str) -> String {
        let found = find(&disk(), &mounts(mountinfo), &swaps(swaps_text), device);
        found.map(|found| found.to_string()).unwrap_or_default()
    }

    const OTHER: &str =
        "21 1 8:33 / / rw - ext4 /dev/sdc1 rw\n22 1 0:5 / /dev rw - devtmpfs udev rw\n";

    #[test]
    fn a_mounted_partition_names_all_its_places() {
        let info = format!(
            "{OTHER}30 21 8:1 / /media/me/MY\\040STICK rw,nosuid shared:5 - vfat /dev/sda1 rw\n\
             31 21 8:1 /sub /mnt rw - vfat /dev/sda1 rw\n"
        );
        assert_eq!(
            said(&info, ""),
            "/dev/sda1 is mounted at '/media/me/MY STICK' /mnt; first: umount '/media/me/MY STICK' /mnt"
        );
    }

    #[test]
    fn the_root_disk_is_found_below_encryption_and_by_its_path_alone() {
        let crypt = "21 1 8:90 / / rw - ext4 /dev/mapper/root rw\n30 21 8:1 / /boot rw - ext4 /dev/sda1 rw\n";
        let sentence =
            "this workstation runs from it (/ is on /dev/mapper/root); take another disk";
        assert_eq!(said(crypt, ""), sentence);
        // btrfs has a number of its own.
        let btrfs = "21 1 0:27 /@ / rw - btrfs /dev/sda2 rw,subvol=/@\n";
        let sentence = "this workstation runs from it (/ is on /dev/sda2); take another disk";
        assert_eq!(said(btrfs, ""), sentence);
    }

    #[test]
    fn swap_and_volumes_count_as_use_too() {
        let head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        let swap = format!("{head}/dev/sda1                               partition\t8\t0\t-2\n");
        let sentence = "/dev/sda1 is swap space in use; first: swapoff /dev/sda1";
        assert_eq!(said(OTHER, &swap), sentence);
        let held = "/dev/sda2 is part of /dev/mapper/root; end that first (`cryptsetup close`, \
                    `vgchange -an`, `mdadm --stop`)";
        assert_eq!(said(OTHER, head), held);
    }

    #[test]
    fn a_disk_that_nothing_uses_is_free() {
        let free = Disk {
            partitions: vec![block("sda1", 1, Vec::new())],
            ..disk()
        };
        let swaps = swaps("Filename Type\n/swapfile file 8 0 -2\n/dev/sdc partition 8 0 -2\n");
        assert_eq!(find(&free, &mounts(OTHER), &swaps, device), None);
        assert_eq!(mounts("nonsense\n1 2 x - a b\n"), []);
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(unescaped("a\\134b\\0\\xyz"), "a\\b\\0\\xyz");
    }
}
