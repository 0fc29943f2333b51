//! A directory's content: blocks of entries followed by their names, sorted by bytes.

use super::ondisk::{BLOCK, BLOCK_LEN, DIRENT, FileType};

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dirent<'a> {
    pub(super) name: &'a str,
    pub(super) nid: u64,
    pub(super) file_type: FileType,
}

/// How many of the names, counted from the first, go into each block. Names come sorted.
fn plan_blocks<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(usize, usize)> {
    let mut blocks: Vec<(usize, usize)> = Vec::new();
    for name in names {
        let need = DIRENT + name.len();
        match blocks.last_mut() {
            Some((count, used)) if *used + need <= BLOCK_LEN => {
                *count += 1;
                *used += need;
            }
            _ => blocks.push((1, need)),
        }
    }
    blocks
}

/// The size of a directory with these names (sorted, `.` and `..` among them), in bytes: whole
/// blocks but for the last, of which only what is used counts.
pub(super) fn size<'a>(names: impl Iterator<Item = &'a str>) -> u64 {
    let blocks = plan_blocks(names);
    match blocks.split_last() {
        Some(((_, used), full)) => full.len() as u64 * BLOCK + *used as u64,
        None => 0,
    }
}

/// The content, [`size`] bytes of it.
pub(super) fn content(entries: &[Dirent<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = entries;
    for (count, _) in plan_blocks(entries.iter().map(|entry| entry.name)) {
        bytes.resize(bytes.len().next_multiple_of(BLOCK_LEN), 0);
        let (these, after) = rest.split_at(count.min(rest.len()));
        rest = after;
        let mut name_offset = count * DIRENT;
        for entry in these {
            bytes.extend(entry.nid.to_le_bytes());
            // A block has 4096 bytes, so that its offsets fit.
            bytes.extend(u16::try_from(name_offset).unwrap_or_default().to_le_bytes());
            bytes.extend([entry.file_type as u8, 0]);
            name_offset += entry.name.len();
        }
        for entry in these {
            bytes.extend(entry.name.as_bytes());
        }
    }
    bytes
}
