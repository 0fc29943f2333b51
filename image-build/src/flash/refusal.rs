//! Why a disk is not written to, before anything was done to it. Pure: what is known comes in.

use std::fmt;

use super::block::Disk;
use super::uses::Use;
use crate::disk_image::gpt::SECTOR;

/// A reason; it follows the disk's name and a colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    InUse(Use),
    /// A card reader without a card.
    NoMedium,
    ReadOnly,
    TooSmall {
        has: u64,
        needs: u64,
    },
    Sectors {
        bytes: u64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(found) => found.fmt(f),
            Self::NoMedium => f.write_str("there is no medium in it"),
            Self::ReadOnly => {
                f.write_str("it can only be read; a card or stick may have a switch that locks it")
            }
            Self::TooSmall { has, needs } => write!(
                f,
                "it has {}, and the image needs {}; take a larger disk",
                exact(*has),
                exact(*needs)
            ),
            Self::Sectors { bytes } => write!(
                f,
                "its sectors have {bytes} bytes, and the image is for disks with sectors of \
                 {SECTOR}; take another disk"
            ),
        }
    }
}

/// The first reason not to write to a disk.
pub(super) fn refusal(disk: &Disk, used: Option<Use>) -> Option<Refusal> {
    // Who owns the disk comes first: what else is wrong with it is of no matter then.
    if let Some(used) = used {
        return Some(Refusal::InUse(used));
    }
    if disk.block.bytes == 0 {
        return Some(Refusal::NoMedium);
    }
    if disk.read_only {
        return Some(Refusal::ReadOnly);
    }
    if disk.sector != SECTOR {
        let bytes = disk.sector;
        return Some(Refusal::Sectors { bytes });
    }
    None
}

/// Whether a disk has less than the image's `needs` bytes.
pub(super) fn too_small(disk: &Disk, needs: u64) -> Option<Refusal> {
    let has = disk.block.bytes;
    (has < needs).then_some(Refusal::TooSmall { has, needs })
}

/// `28.6 GiB`, for people.
pub(super) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut unit = "KiB";
    let mut tenths = u128::from(bytes) * 10 / 1024;
    for larger in units.into_iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = larger;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

fn exact(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", size(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::block::Block;
    use super::*;

    fn disk() -> Disk {
        Disk {
            block: Block {
                bytes: 1 << 30,
                ..Block::default()
            },
            sector: 512,
            ..Disk::default()
        }
    }

    fn locked() -> Disk {
        Disk {
            read_only: true,
            ..disk()
        }
    }

    #[test]
    fn a_disk_with_room_is_taken() {
        assert_eq!(refusal(&disk(), None), None);
        assert_eq!(too_small(&disk(), 1 << 30), None);
    }

    #[test]
    fn both_sizes_are_told() {
        let found = too_small(&disk(), (2 << 30) + 512).unwrap().to_string();
        assert_eq!(
            found,
            "it has 1.0 GiB (1073741824 bytes), and the image needs 2.0 GiB (2147484160 bytes); \
             take a larger disk"
        );
    }

    #[test]
    fn what_uses_it_comes_before_all_else() {
        let device = "sda1".to_owned();
        let used = Use::Root { device };
        let found = refusal(&locked(), Some(used.clone()));
        assert_eq!(found, Some(Refusal::InUse(used)));
    }

    #[test]
    fn no_medium_a_lock_and_large_sectors_are_told() {
        let mut none = disk();
        none.block.bytes = 0;
        assert_eq!(refusal(&none, None), Some(Refusal::NoMedium));
        assert_eq!(refusal(&locked(), None), Some(Refusal::ReadOnly));
        let large = Disk {
            sector: 4096,
            ..disk()
        };
        let bytes = 4096;
        assert_eq!(refusal(&large, None), Some(Refusal::Sectors { bytes }));
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_fits() {
        assert_eq!(size(512), "0.5 KiB");
        assert_eq!(size(1 << 20), "1.0 MiB");
        assert_eq!(size(30_752_636_928), "28.6 GiB");
        assert_eq!(size(u64::MAX), "16777215.9 TiB");
    }
}
