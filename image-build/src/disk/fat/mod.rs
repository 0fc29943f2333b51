//! Writes a FAT32 volume (Microsoft's "FAT File System Specification") of a few files and folders.
//!
//! Own writer rather than crate `fatfs`: every file lies in one piece whose sectors are known before
//! anything is written, which is what the BIOS's boot loader wants to be told, nothing is held in
//! memory or written twice, and the bytes follow from the files alone. `fsck.vfat` is the oracle.

mod entry;

use std::io::{self, Read as _};

use super::gpt::SECTOR;
use super::sparse::SparseFile;
use crate::tree::{Blob, Kind, Tree};
use entry::To;

/// Below so many clusters a volume would be taken for FAT16.
const LEAST_CLUSTERS: u64 = 65_525;
/// Sectors in front of the first FAT: boot sector, FSInfo, the boot sector's copy.
const RESERVED: u64 = 32;
/// The first cluster's number, which is the root directory's.
const ROOT: u32 = 2;
/// No further cluster.
const END: u32 = 0x0fff_ffff;

/// A volume cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    /// The files are larger than the volume.
    #[error("the files have {needed} bytes, the volume has room for {room}")]
    Full {
        /// Bytes of the files, in whole clusters.
        needed: u64,
        /// Bytes of all clusters.
        room: u64,
    },
    /// FAT has neither devices nor links, and no files of 4 GiB.
    #[error("/{name}: not a file or folder that FAT can hold")]
    Kind {
        /// The name in the tree.
        name: String,
    },
    /// Less than FAT32's least.
    #[error("a FAT32 volume of {len} bytes: too small")]
    Small {
        /// The volume's bytes.
        len: u64,
    },
}

/// Where everything of a volume lies.
#[derive(Debug)]
pub struct Volume {
    len: u64,
    /// Its serial number.
    id: u32,
    hidden: u32,
    sectors_per_cluster: u64,
    fat_sectors: u64,
    clusters: u64,
    items: Vec<Item>,
}

/// A file or a directory, in consecutive clusters.
#[derive(Debug)]
struct Item {
    name: String,
    content: Content,
    cluster: u32,
    count: u32,
}

#[derive(Debug)]
enum Content {
    Directory(Vec<u8>),
    File(Blob),
}

impl Volume {
    /// Plans a volume of `len` bytes that begins `start` bytes into its disk, with serial number `id`,
    /// of the files in `tree`.
    ///
    /// # Errors
    /// When the files do not fit.
    pub fn plan(tree: &Tree, len: u64, start: u64, id: u32) -> Result<Self, FatError> {
        let sectors = len / SECTOR;
        let (sectors_per_cluster, fat_sectors) =
            geometry(sectors).ok_or(FatError::Small { len })?;
        let clusters = (sectors - RESERVED - 2 * fat_sectors) / sectors_per_cluster;
        let mut volume = Self {
            len,
            id,
            hidden: u32::try_from(start / SECTOR).unwrap_or(u32::MAX),
            sectors_per_cluster,
            fat_sectors,
            clusters,
            items: Vec::new(),
        };
        volume.place(tree)?;
        Ok(volume)
    }

    /// Gives every name its clusters, then the directories their entries.
    fn place(&mut self, tree: &Tree) -> Result<(), FatError> {
        let cluster_len = self.cluster_len();
        let mut next = ROOT;
        for (name, node) in tree.iter() {
            let wrong = || FatError::Kind {
                name: name.to_owned(),
            };
            let (content, bytes) = match &node.kind {
                Kind::Directory => {
                    // At most: two dots, and four entries for each name of up to 39 letters.
                    let names = tree.iter().filter(|(other, _)| parent(other) == Some(name));
                    let entries = 2 + names.count() as u64 * 4;
                    (
                        Content::Directory(Vec::new()),
                        entries * entry::ENTRY as u64,
                    )
                }
                Kind::File(blob) if u32::try_from(blob.len()).is_ok() => {
                    (Content::File(blob.clone()), blob.len())
                }
                _ => return Err(wrong()),
            };
            let count = u32::try_from(bytes.div_ceil(cluster_len)).map_err(|_| wrong())?;
            self.items.push(Item {
                name: name.to_owned(),
                content,
                // An empty file has none.
                cluster: if count == 0 { 0 } else { next },
                count,
            });
            next = next.saturating_add(count);
        }
        let used = u64::from(next - ROOT);
        if used > self.clusters {
            return Err(FatError::Full {
                needed: used * cluster_len,
                room: self.clusters * cluster_len,
            });
        }
        for at in 0..self.items.len() {
            let entries = self.items.get(at).map(|item| self.entries(item));
            if let Some(Item {
                content: Content::Directory(bytes),
                ..
            }) = self.items.get_mut(at)
            {
                *bytes = entries.unwrap_or_default();
            }
        }
        Ok(())
    }

    /// What stands in a directory.
    fn entries(&self, directory: &Item) -> Vec<u8> {
        let mut bytes = match parent(&directory.name) {
            None => entry::volume(b"ORLOP      "),
            Some(above) => {
                let above = match above {
                    "" => 0,
                    _ => self.item(above).map_or(0, |item| item.cluster),
                };
                entry::dots(directory.cluster, above)
            }
        };
        let inside = self.items.iter();
        let inside = inside.filter(|item| parent(&item.name) == Some(&directory.name));
        for (at, item) in inside.enumerate() {
            let to = match &item.content {
                Content::Directory(_) => To::Directory,
                Content::File(blob) => To::File(u32::try_from(blob.len()).unwrap_or(u32::MAX)),
            };
            let name = item.name.rsplit('/').next().unwrap_or_default();
            bytes.extend(entry::entries(name, at + 1, to, item.cluster));
        }
        bytes
    }

    fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }

    fn cluster_len(&self) -> u64 {
        self.sectors_per_cluster * SECTOR
    }

    /// The sector, counted from the volume's begin, of a cluster.
    fn sector(&self, cluster: u32) -> u64 {
        let data = RESERVED + 2 * self.fat_sectors;
        data + u64::from(cluster.saturating_sub(ROOT)) * self.sectors_per_cluster
    }

    /// The sectors of a file, counted from the volume's begin: they are in one piece.
    #[must_use]
    pub fn sectors(&self, name: &str) -> Option<std::ops::Range<u64>> {
        let item = self.item(name).filter(|item| item.count > 0)?;
        let first = self.sector(item.cluster);
        Some(first..first + u64::from(item.count) * self.sectors_per_cluster)
    }

    /// Puts another content of the same length in place of a file's.
    pub fn replace(&mut self, name: &str, blob: Blob) -> bool {
        let item = self.items.iter_mut().find(|item| item.name == name);
        match item.map(|item| &mut item.content) {
            Some(Content::File(old)) if old.len() == blob.len() => {
                *old = blob;
                true
            }
            _ => false,
        }
    }

    /// The boot sector without its code (section 3.1 and 3.3): a jump behind the fields, the fields.
    #[must_use]
    pub fn boot_sector(&self) -> [u8; 512] {
        let sectors = u32::try_from(self.len / SECTOR).unwrap_or(u32::MAX);
        let fat_sectors = u32::try_from(self.fat_sectors).unwrap_or(u32::MAX);
        let mut bytes = vec![0xeb, 0x58, 0x90];
        bytes.extend(b"ORLOP   ");
        bytes.extend(512_u16.to_le_bytes());
        bytes.push(u8::try_from(self.sectors_per_cluster).unwrap_or(0));
        bytes.extend(u16::try_from(RESERVED).unwrap_or(0).to_le_bytes());
        bytes.push(2); // FATs
        bytes.extend([0; 4]); // of FAT12 and FAT16
        bytes.push(0xf8); // a disk
        bytes.extend([0; 2]);
        bytes.extend(63_u16.to_le_bytes()); // sectors a track, and heads: nobody asks any more
        bytes.extend(255_u16.to_le_bytes());
        bytes.extend(self.hidden.to_le_bytes());
        bytes.extend(sectors.to_le_bytes());
        bytes.extend(fat_sectors.to_le_bytes());
        bytes.extend([0; 4]); // both FATs are written, version 0
        bytes.extend(ROOT.to_le_bytes());
        bytes.extend(1_u16.to_le_bytes()); // FSInfo
        bytes.extend(6_u16.to_le_bytes()); // the boot sector's copy
        bytes.extend([0; 12]);
        bytes.extend([0x80, 0, 0x29]);
        bytes.extend(self.id.to_le_bytes());
        bytes.extend(b"ORLOP      FAT32   ");
        let mut sector = [0; 512];
        for (to, from) in sector.iter_mut().zip(bytes) {
            *to = from;
        }
        let [.., a, b] = &mut sector;
        (*a, *b) = (0x55, 0xaa);
        sector
    }

    /// Writes the volume `start` bytes into the disk, with this boot sector.
    ///
    /// # Errors
    /// When a file cannot be read or the disk not be written.
    pub fn write(&self, boot: &[u8; 512], disk: &SparseFile, start: u64) -> io::Result<()> {
        for copy in [0, 6] {
            disk.write_at(boot, start + copy * SECTOR)?;
            disk.write_at(&self.fs_info(), start + (copy + 1) * SECTOR)?;
        }
        let fat = self.fat();
        for copy in [0, self.fat_sectors] {
            disk.write_at(&fat, start + (RESERVED + copy) * SECTOR)?;
        }
        for item in &self.items {
            let at = start + self.sector(item.cluster) * SECTOR;
            match &item.content {
                Content::Directory(bytes) => disk.write_at(bytes, at)?,
                Content::File(blob) => {
                    let copied = disk.copy_at(&mut blob.open()?.take(blob.len()), at)?;
                    if copied != blob.len() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
        Ok(())
    }

    /// How much is free, for who asks (section 5).
    fn fs_info(&self) -> Vec<u8> {
        let used: u64 = self.items.iter().map(|item| u64::from(item.count)).sum();
        let free = u32::try_from(self.clusters - used).unwrap_or(u32::MAX);
        let next = u32::try_from(used).unwrap_or(u32::MAX) + ROOT;
        let mut bytes = 0x4161_5252_u32.to_le_bytes().to_vec();
        bytes.resize(484, 0);
        bytes.extend(0x6141_7272_u32.to_le_bytes());
        bytes.extend(free.to_le_bytes());
        bytes.extend(next.to_le_bytes());
        bytes.resize(508, 0);
        bytes.extend(0xaa55_0000_u32.to_le_bytes());
        bytes
    }

    /// The chains, each from cluster to next cluster.
    fn fat(&self) -> Vec<u8> {
        let mut chain = vec![0x0fff_fff8, END];
        for item in self.items.iter().filter(|item| item.count > 0) {
            let last = item.cluster + item.count - 1;
            chain.extend((item.cluster..last).map(|cluster| cluster + 1));
            chain.push(END);
        }
        chain
            .iter()
            .flat_map(|next: &u32| next.to_le_bytes())
            .collect()
    }
}

/// Sectors a cluster (as many as leave enough clusters, 8 at most) and sectors a FAT.
fn geometry(sectors: u64) -> Option<(u64, u64)> {
    [8, 4, 2, 1].into_iter().find_map(|per_cluster| {
        let fat = (sectors / per_cluster + 2).div_ceil(SECTOR / 4);
        // So that the data begin at a multiple of 4 KiB.
        let fat = fat.next_multiple_of(4);
        let clusters = sectors.checked_sub(RESERVED + 2 * fat)? / per_cluster;
        (clusters >= LEAST_CLUSTERS).then_some((per_cluster, fat))
    })
}

/// The name of the folder that a name is in; the root is in none.
fn parent(name: &str) -> Option<&str> {
    if name.is_empty() {
        return None;
    }
    Some(name.rsplit_once('/').map_or("", |(above, _)| above))
}

#[cfg(test)]
mod tests;
