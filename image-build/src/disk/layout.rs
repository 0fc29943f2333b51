//! How large the partitions are and where they lie. Pure.

use super::gpt::{ALIGNMENT, Partition};
use super::guid::Guid;

/// `ESP` of the UEFI specification.
const ESP: Guid = Guid::of_text_order(0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B);
/// Root partition for x86-64 of the Discoverable Partitions Specification.
const ROOT: Guid = Guid::of_text_order(0x4F68BCE3_E8CD_4DB1_96E7_FBCAF984B709);
/// Linux file system data.
const LINUX: Guid = Guid::of_text_order(0x0FC63DAF_8483_4772_8E79_3D69D8477DE4);
/// A BIOS boots from the partition with this bit.
const LEGACY_BIOS_BOOTABLE: u64 = 1 << 2;
/// Of the Discoverable Partitions Specification: not written to, and mounted by nobody unasked.
const READ_ONLY: u64 = 1 << 60;
const NO_AUTO: u64 = 1 << 63;

const MIB: u64 = 1 << 20;
/// Less than this is no FAT32 with all firmwares' blessing.
const LEAST_ESP: u64 = 64 * MIB;
/// A slot's length is a multiple of this.
const SLOT_STEP: u64 = 8 * MIB;

/// What is to be put onto the disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// The ESP's files.
    pub esp: u64,
    /// The system with its hash tree.
    pub system: u64,
    /// The state's file system.
    pub state: u64,
}

/// A range of the disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Its first.
    pub start: u64,
    /// How many.
    pub len: u64,
}

/// Where everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Partition 1.
    pub esp: Region,
    /// Partition 2: the system.
    pub slot_a: Region,
    /// Partition 3: empty, for the next one.
    pub slot_b: Region,
    /// Partition 4, the last: it grows with the disk.
    pub state: Region,
    /// The whole disk.
    pub disk: u64,
}

impl Layout {
    /// Room for this content, and for an update: a slot is a quarter larger than what is in it.
    #[must_use]
    pub fn plan(content: &Content) -> Self {
        // FAT's own tables and the ends of clusters are less than a fiftieth.
        let esp = (content.esp + content.esp / 50 + 2 * MIB).next_multiple_of(SLOT_STEP);
        let slot = (content.system + content.system / 4).next_multiple_of(SLOT_STEP);
        let mut next = ALIGNMENT;
        let mut place = |len: u64| {
            let region = Region { start: next, len };
            next += len;
            region
        };
        let esp = place(esp.max(LEAST_ESP));
        let (slot_a, slot_b) = (place(slot), place(slot));
        let state = place(content.state.next_multiple_of(ALIGNMENT));
        Self {
            esp,
            slot_a,
            slot_b,
            state,
            // For the backup of the table.
            disk: next + ALIGNMENT,
        }
    }

    /// As a table's entries; GUIDs follow from the content's digest and the root hash.
    #[must_use]
    pub fn partitions(&self, content: &[u8; 32], root_hash: &[u8; 32]) -> Vec<Partition> {
        let slot = READ_ONLY | NO_AUTO;
        let root = Guid::of_root_hash(root_hash);
        let id = |of: &str| Guid::derived(of, content);
        let all = [
            ("esp", ESP, id("esp"), LEGACY_BIOS_BOOTABLE, self.esp),
            ("orlop-system-a", ROOT, root, slot, self.slot_a),
            ("orlop-system-b", ROOT, id("b"), slot, self.slot_b),
            ("orlop-state", LINUX, id("state"), 0, self.state),
        ];
        let partition = |(name, kind, id, attributes, region): (_, _, _, _, Region)| Partition {
            name,
            kind,
            id,
            attributes,
            start: region.start,
            len: region.len,
        };
        all.into_iter().map(partition).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_side_by_side_and_have_room() {
        let content = Content {
            esp: 40 * MIB,
            system: 33 * MIB + 5,
            state: 64 * MIB,
        };
        let layout = Layout::plan(&content);
        assert_eq!(layout.esp.len, 64 * MIB);
        assert_eq!(layout.slot_a.len, 48 * MIB);
        assert_eq!(layout.disk, (1 + 64 + 48 + 48 + 64 + 1) * MIB);
        let partitions = layout.partitions(&[1; 32], &[2; 32]);
        let mut end = ALIGNMENT;
        for partition in &partitions {
            assert_eq!(partition.start, end, "{}", partition.name);
            assert!(partition.len.is_multiple_of(ALIGNMENT));
            end += partition.len;
        }
        assert_eq!(
            partitions[1].id.to_string(),
            "02020202-0202-0202-0202-020202020202"
        );
    }

    #[test]
    fn a_large_kernel_makes_a_large_esp() {
        let content = Content {
            esp: 100 * MIB,
            system: 1,
            state: 1,
        };
        let layout = Layout::plan(&content);
        assert_eq!(layout.esp.len, 104 * MIB);
        assert_eq!((layout.slot_a.len, layout.state.len), (8 * MIB, MIB));
    }
}
