//! Against what the tools themselves write.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::*;

fn found(path: &Path) -> Option<&'static str> {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let read = |at: u64, length: usize| {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at).map(|()| bytes)
    };
    find(size, read).unwrap()
}

/// What each tool writes over a blank disk, and what it is then said to hold.
const TOOLS: &[(&str, &[&str], &str)] = &[
    ("mke2fs", &["-q", "-F", "-t", "ext2"], EXT),
    ("mke2fs", &["-q", "-F", "-t", "ext4"], EXT),
    ("mkfs.xfs", &["-q", "-f"], "XFS"),
    ("mkfs.btrfs", &["-q", "-f"], "Btrfs"),
    ("mkfs.vfat", &["-F", "16"], "FAT"),
    ("mkfs.vfat", &["-F", "32"], "FAT"),
    ("mkswap", &[], "swap"),
    ("mkfs.minix", &["-1"], "MINIX"),
    ("mkfs.minix", &["-3"], "MINIX"),
    ("mkfs.ntfs", &["-F", "-Q", "-q"], "NTFS"),
    ("mkfs.exfat", &[], "exFAT"),
    ("mkfs.f2fs", &["-q"], "F2FS"),
    ("sgdisk", &["-n1:1M:+8M"], "a partition table (GPT)"),
    (
        "cryptsetup",
        &[
            "luksFormat",
            "--batch-mode",
            "--type=luks1",
            "--pbkdf-force-iterations=1000",
            "--key-file=/proc/version",
        ],
        "LUKS",
    ),
    (
        "cryptsetup",
        &[
            "luksFormat",
            "--batch-mode",
            "--type=luks2",
            "--pbkdf=pbkdf2",
            "--pbkdf-force-iterations=1000",
            "--key-file=/proc/version",
        ],
        "LUKS",
    ),
];
/// Those that `.ci/setup` brings.
const REQUIRED: [&str; 7] = [
    "mke2fs",
    "mkfs.xfs",
    "mkfs.btrfs",
    "mkfs.vfat",
    "mkswap",
    "sgdisk",
    "cryptsetup",
];

fn program(name: &str) -> Option<std::path::PathBuf> {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    let paths = folders.map(|folder| Path::new(folder).join(name));
    let found = paths.into_iter().find(|path| path.exists());
    assert!(
        found.is_some() || !REQUIRED.contains(&name),
        "{name} is missing: .ci/setup test"
    );
    found
}

#[test]
fn what_the_tools_write_is_known() {
    let folder = tempfile::tempdir().unwrap();
    for (index, (name, arguments, expected)) in TOOLS.iter().enumerate() {
        let Some(tool) = program(name) else {
            continue;
        };
        let path = folder.path().join(index.to_string());
        let file = File::create(&path).unwrap();
        file.set_len(320 << 20).unwrap();
        assert_eq!(found(&path), None, "blank");
        let output = Command::new(tool)
            .args(*arguments)
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
        assert_eq!(found(&path), Some(*expected), "{name} {arguments:?}");
        std::fs::remove_file(&path).unwrap();
    }
}

/// The second headers and copies that tools leave: a first one that was wiped makes no blank disk.
#[test]
fn a_disk_that_lost_its_start_is_not_blank() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let made = |name: &str, arguments: &[&str]| {
        let file = File::create(&path).unwrap();
        file.set_len(320 << 20).unwrap();
        let tool = program(name).unwrap();
        let output = Command::new(tool)
            .args(arguments)
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[0; 4096], 0).unwrap();
        found(&path)
    };
    assert_eq!(
        made("sgdisk", &["-n1:1M:+8M"]),
        Some("a partition table (GPT)")
    );
    let luks2 = TOOLS.last().unwrap();
    assert_eq!(made(luks2.0, luks2.1), Some("LUKS"));
}

/// Each mark of the table, at both ends of its range: too short a disk does not have it.
#[test]
fn each_mark_is_found_where_it_is_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    for size in [8_u64 << 20, (64 << 20) + 512] {
        for mark in MARKS {
            let file = File::create(&path).unwrap();
            file.set_len(size).unwrap();
            let at = mark.place(size).unwrap();
            file.write_all_at(mark.bytes, at).unwrap();
            assert!(found(&path).is_some(), "{mark:?}");
            file.write_all_at(&vec![0; mark.bytes.len() - 1], at)
                .unwrap();
            assert_eq!(found(&path), None, "a single byte of {mark:?}");
        }
    }
    File::create(&path).unwrap().set_len(100).unwrap();
    assert_eq!(found(&path), None);
}

#[test]
fn an_uberblock_in_any_label_is_zfs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let size = (64_u64 << 20) + 4096;
    let last = (64 << 20) - ZFS_LABEL;
    for label in [0, ZFS_LABEL, last - ZFS_LABEL, last] {
        for magic in ZFS {
            let file = File::create(&path).unwrap();
            file.set_len(size).unwrap();
            file.write_all_at(&magic, label + (128 << 10) + 37 * 1024)
                .unwrap();
            assert_eq!(found(&path), Some("ZFS"));
        }
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_not_blank() {
    let error = find(1 << 20, |_, _| Err(io::ErrorKind::Other.into()));
    assert!(error.is_err());
}
