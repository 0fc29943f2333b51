//! What a person sees before a disk is written: what it is, and what on it would be lost.

use std::path::Path;
use std::process::{Command, Stdio};

use super::block::{Block, Disk};
use super::refusal::size;
use crate::host_program::find_program;

/// What blkid(8) knows of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// A file system, or what else is there: `ext4`, `crypto_LUKS`, `linux_raid_member`.
    kind: Option<String>,
    label: Option<String>,
    /// A partition table: `gpt`, `dos`.
    table: Option<String>,
    /// The partition's name in the table.
    name: Option<String>,
}

impl Content {
    /// Reads the device itself, past blkid's cache. What cannot be told is left out: it is no reason
    /// not to ask.
    pub(super) fn probe(device: &Path) -> Self {
        let probe = || {
            let output = Command::new(find_program("blkid")?)
                .args(["-p", "-o", "export"])
                .arg(device)
                .stdin(Stdio::null())
                .output();
            Some(Self::parse(&String::from_utf8_lossy(&output.ok()?.stdout)))
        };
        probe().unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            let (_, value) = pairs.find(|(name, _)| *name == key)?;
            // With -o export, blkid writes a backslash before what a shell would take for its own.
            let value: String = value.chars().filter(|c| *c != '\\').collect();
            (!value.is_empty()).then_some(value)
        };
        Self {
            kind: value("TYPE"),
            label: value("LABEL"),
            table: value("PTTYPE"),
            name: value("PART_ENTRY_NAME"),
        }
    }
}

/// The disk in a line, and a line for each thing on it. `probe` tells what is on a device.
pub(super) fn shown(disk: &Disk, probe: impl Fn(&Block) -> Content) -> Vec<String> {
    let mut lines = vec![headline(disk)];
    let whole = probe(&disk.block);
    if let Some(kind) = &whole.kind {
        lines.push(format!("  the whole disk: {}", labelled(kind, &whole)));
    }
    for partition in &disk.partitions {
        let content = probe(partition);
        let kind = content
            .kind
            .as_deref()
            .unwrap_or("nothing that is known here");
        lines.push(format!(
            "  /dev/{}  {}  {}",
            partition.name,
            size(partition.bytes),
            labelled(kind, &content)
        ));
    }
    if lines.len() == 1 {
        lines.push(match &whole.table {
            Some(table) => format!("  an empty partition table ({table})"),
            None => "  no partition and no file system that is known here".to_owned(),
        });
    }
    lines
}

/// `/dev/sdb  SanDisk Ultra  28.6 GiB  serial 4C53`.
pub(super) fn headline(disk: &Disk) -> String {
    let mut words = vec![format!("/dev/{}", disk.block.name)];
    words.extend(disk.model.clone());
    words.push(size(disk.block.bytes));
    words.extend(
        disk.serial
            .as_ref()
            .map(|serial| format!("serial {serial}")),
    );
    words.join("  ")
}

fn labelled(kind: &str, content: &Content) -> String {
    let mut text = kind.to_owned();
    for label in [&content.label, &content.name].into_iter().flatten() {
        text.push_str(&format!(" {label:?}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::block::Found;
    use super::super::block::Sysfs;
    use super::super::block::tests::stick;
    use super::*;

    fn disk() -> Disk {
        let sys = stick();
        match Sysfs(sys.0.path()).find((8, 16)).unwrap() {
            Found::Disk(disk) => *disk,
            found => panic!("{found:?}"),
        }
    }

    #[test]
    fn partitions_are_shown_with_labels_and_names() {
        let probe = |block: &Block| {
            Content::parse(match block.name.as_str() {
                "sdb" => "DEVNAME=/dev/sdb\nPTTYPE=gpt\n",
                "sdb1" => "TYPE=vfat\nLABEL=MY\\ STICK\nPART_ENTRY_NAME=esp\n",
                _ => "",
            })
        };
        assert_eq!(
            shown(&disk(), probe),
            [
                "/dev/sdb  SanDisk Ultra  [2J  500.0 KiB  serial 4C53",
                "  /dev/sdb1  250.0 KiB  vfat \"MY STICK\" \"esp\"",
                "  /dev/sdb2  150.0 KiB  nothing that is known here",
            ]
        );
    }

    #[test]
    fn a_file_system_without_partitions_and_an_empty_disk_are_told() {
        let bare = Disk {
            partitions: Vec::new(),
            ..disk()
        };
        let last = |text: &str| shown(&bare, |_| Content::parse(text)).pop().unwrap();
        assert_eq!(
            last("TYPE=ext4\nLABEL=data\n"),
            "  the whole disk: ext4 \"data\""
        );
        assert_eq!(last("PTTYPE=dos\n"), "  an empty partition table (dos)");
        assert_eq!(
            last(""),
            "  no partition and no file system that is known here"
        );
    }
}
