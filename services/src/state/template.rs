//! The state partition's template, as the builder wrote it (`image-build/src/disk/state_template.rs`).

use std::io::{self, Read};

use super::disk::{Disk, DiskError};

const MAGIC: [u8; 8] = *b"ORLPEXT4";
const END: u64 = u64::MAX;
/// No record is as long: a stream that says so is not one.
const LONGEST: u32 = 16 << 20;
/// The UUID of every template; the machine's own takes its place.
pub const UUID: [u8; 16] = [
    0x6f, 0x72, 0x6c, 0x6f, 0x70, 0x73, 0x74, 0x61, 0x84, 0x65, 0, 0, 0, 0, 0, 1,
];

/// Why no template was written.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The stream cannot be read, or is no template.
    #[error("read the state template")]
    Read(#[source] io::Error),
    /// There is less room than the template has.
    #[error("the state needs {} MiB, and there are {} MiB", wanted >> 20, there >> 20)]
    TooSmall {
        /// Bytes of the template.
        wanted: u64,
        /// Bytes of the disk.
        there: u64,
    },
    /// The disk does not take it.
    #[error(transparent)]
    Write(DiskError),
}

/// A run of bytes, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    offset: u64,
    bytes: Vec<u8>,
}

/// A whole template, in memory: some tens of kilobytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Bytes of the file system.
    pub size: u64,
    records: Vec<Record>,
}

impl Template {
    /// Reads a stream, as far as its end mark.
    ///
    /// # Errors
    /// When it cannot be read, or is cut off, or no template.
    pub fn read(stream: &mut dyn Read) -> Result<Self, TemplateError> {
        let mut number = |bytes: &mut [u8]| stream.read_exact(bytes).map_err(TemplateError::Read);
        let (mut magic, mut size) = ([0; 8], [0; 8]);
        number(&mut magic)?;
        number(&mut size)?;
        let size = u64::from_le_bytes(size);
        let no_template = || TemplateError::Read(io::ErrorKind::InvalidData.into());
        if magic != MAGIC {
            return Err(no_template());
        }
        let mut records = Vec::new();
        loop {
            let (mut offset, mut length) = ([0; 8], [0; 4]);
            number(&mut offset)?;
            number(&mut length)?;
            let (offset, length) = (u64::from_le_bytes(offset), u32::from_le_bytes(length));
            if offset == END {
                return Ok(Self { size, records });
            }
            let fits = offset
                .checked_add(u64::from(length))
                .is_some_and(|end| end <= size);
            if !fits || length > LONGEST {
                return Err(no_template());
            }
            let mut bytes = vec![0; length as usize];
            number(&mut bytes)?;
            records.push(Record { offset, bytes });
        }
    }

    /// Writes it over the start of a disk; the superblock, its last record, when all else is on the
    /// disk for good: a disk that was cut off in between is as blank as before.
    ///
    /// # Errors
    /// When the disk is too small or does not take it.
    pub fn write(&self, disk: &Disk) -> Result<(), TemplateError> {
        if disk.size < self.size {
            return Err(TemplateError::TooSmall {
                wanted: self.size,
                there: disk.size,
            });
        }
        let write = || {
            disk.zero(0, self.size)?;
            let (superblock, others) = match self.records.split_last() {
                Some((last, others)) => (Some(last), others),
                None => (None, self.records.as_slice()),
            };
            for record in others {
                disk.write(record.offset, &record.bytes)?;
            }
            disk.sync()?;
            if let Some(superblock) = superblock {
                disk.write(superblock.offset, &superblock.bytes)?;
            }
            disk.sync()
        };
        write().map_err(TemplateError::Write)
    }
}
