//! The state partition's template: a small empty ext4, the same bytes at each build.
//!
//! The machine writes it where it finds no state partition, gives it a UUID of its own and grows it
//! to the disk. A raw image has it written out in its last partition.
//!
//! The stream (`/usr/lib/orlop/state.template`, read by `services/src/state`), all numbers little
//! endian: the magic, the size of the file system in bytes (u64), then records of an offset (u64), a
//! length (u32, not 0) and as many bytes; everything between reads as zeros. The superblock's record
//! is the last but for the end, which is an offset of all ones and a length of 0.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::ext4::{self, Purpose};

/// What a stream starts with.
pub const MAGIC: [u8; 8] = *b"ORLPEXT4";
/// The UUID by which the machine knows that a file system is a template still.
pub const UUID: &str = "6f726c6f-7073-7461-8465-000000000001";
const HASH_SEED: &str = "6f726c6f-7073-7461-8465-000000000002";
/// Half a block group: as small as leaves some room beside a journal of 16 MiB.
pub const SIZE: u64 = 64 << 20;
const END: u64 = u64::MAX;
const SECTOR: usize = 512;
/// The block that the superblock is in; nothing else is (Documentation/filesystems/ext4).
const FIRST_BLOCK: usize = 4096;

/// A run of bytes that are not zeros, and where it is in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    offset: u64,
    bytes: Vec<u8>,
}

/// The template, as what is in it that is not zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateTemplate {
    records: Vec<Record>,
}

impl StateTemplate {
    /// Makes it with mke2fs; every time in it is `epoch`, in seconds since 1970.
    ///
    /// # Errors
    /// When mke2fs is missing or refuses, or the temporary folder is full.
    pub fn make(epoch: u64) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a temporary folder")?;
        let path = folder.path().join("state");
        let purpose = Purpose::Template {
            uuid: UUID,
            hash_seed: HASH_SEED,
            epoch,
        };
        ext4::format(&path, SIZE, purpose)?;
        Self::read(&path)
    }

    fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        ensure!(bytes.len() as u64 == SIZE, "mke2fs changed the size");
        let (first, rest) = bytes.split_at(FIRST_BLOCK);
        let mut records = runs(rest, FIRST_BLOCK as u64);
        records.extend(runs(first, 0));
        Ok(Self { records })
    }

    /// The stream, as the machine reads it.
    #[must_use]
    pub fn to_stream(&self) -> Vec<u8> {
        let mut stream = MAGIC.to_vec();
        stream.extend(SIZE.to_le_bytes());
        for record in &self.records {
            let length = u32::try_from(record.bytes.len()).unwrap_or(u32::MAX);
            stream.extend(record.offset.to_le_bytes());
            stream.extend(length.to_le_bytes());
            stream.extend(&record.bytes);
        }
        stream.extend(END.to_le_bytes());
        stream.extend(0_u32.to_le_bytes());
        stream
    }

    /// Writes it out at `offset` of an image that reads as zeros there, [`SIZE`] bytes long. What is
    /// zero is not written: a sparse file stays sparse.
    ///
    /// # Errors
    /// Of pwrite(2).
    pub fn write(&self, image: &File, offset: u64) -> io::Result<()> {
        self.records
            .iter()
            .try_for_each(|record| image.write_all_at(&record.bytes, offset + record.offset))
    }
}

/// The runs of sectors that are not all zeros; `start` is where `bytes` are.
fn runs(bytes: &[u8], start: u64) -> Vec<Record> {
    let mut runs: Vec<Record> = Vec::new();
    let mut at = start;
    for sector in bytes.chunks(SECTOR) {
        if sector.iter().any(|&byte| byte != 0) {
            match runs.last_mut() {
                Some(run) if run.offset + run.bytes.len() as u64 == at => {
                    run.bytes.extend(sector);
                }
                _ => runs.push(Record {
                    offset: at,
                    bytes: sector.to_vec(),
                }),
            }
        }
        at += sector.len() as u64;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const EPOCH: u64 = 1_700_000_000;

    fn tool(name: &str) -> Command {
        Command::new(crate::host_program::find_program(name).expect("package e2fsprogs"))
    }

    #[test]
    fn e2fsck_finds_nothing_to_say_about_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let image = File::create(&path).unwrap();
        let template = StateTemplate::make(EPOCH).unwrap();
        template.write(&image, 0).unwrap();
        image.set_len(SIZE).unwrap();
        let checked = tool("e2fsck").arg("-fn").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{said}");
        assert!(!said.contains("Fix"), "{said}");
        let dump = tool("dumpe2fs").arg("-h").arg(&path).output().unwrap();
        let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
        for expected in [
            UUID,
            HASH_SEED,
            "orlop-state",
            "metadata_csum_seed",
            "project",
            "blocks:      511",
        ] {
            assert!(dump.contains(expected), "{expected}: {dump}");
        }
        // A hundred kilobytes are what the system's image has room for.
        assert!(template.to_stream().len() < 100 << 10);
    }

    #[test]
    fn the_same_bytes_come_out_at_another_second() {
        let first = StateTemplate::make(EPOCH).unwrap();
        let started = std::time::SystemTime::now();
        let whole_seconds = |time: std::time::SystemTime| {
            time.duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_secs()
        };
        while whole_seconds(std::time::SystemTime::now()) == whole_seconds(started) {
            std::thread::yield_now();
        }
        assert_eq!(
            first.to_stream(),
            StateTemplate::make(EPOCH).unwrap().to_stream()
        );
        assert_ne!(first, StateTemplate::make(EPOCH + 1).unwrap());
    }

    #[test]
    fn the_superblock_comes_last() {
        let template = StateTemplate::make(EPOCH).unwrap();
        let last = template.records.last().unwrap();
        assert_eq!(last.offset, 1024);
        assert_eq!(&last.bytes[0x38..0x3a], &[0x53, 0xef]);
        let others = &template.records[..template.records.len() - 1];
        assert!(
            others
                .iter()
                .all(|record| record.offset >= FIRST_BLOCK as u64)
        );
    }

    #[test]
    fn runs_are_cut_at_sectors_of_zeros() {
        let mut bytes = vec![0; 4 * SECTOR];
        bytes[SECTOR] = 1;
        bytes[3 * SECTOR - 1] = 2;
        let found = runs(&bytes, 4096);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].offset, 4096 + SECTOR as u64);
        assert_eq!(found[0].bytes, &bytes[SECTOR..3 * SECTOR]);
    }
}
