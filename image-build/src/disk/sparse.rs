//! A disk's file, in which zeros are holes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// What is looked at at once: where a block of these is zeros, nothing is written.
const BLOCK: usize = 4096;
/// What a stream gathers before it is written; a multiple of [`BLOCK`].
const AT_ONCE: usize = 16 * BLOCK;

/// A new file of a given length, all of it a hole at first.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
}

impl SparseFile {
    /// Makes it; what was there is lost.
    ///
    /// # Errors
    /// When the file cannot be made or be so long.
    pub fn create(path: &Path, len: u64) -> io::Result<Self> {
        let file = File::create(path)?;
        file.set_len(len)?;
        Ok(Self { file })
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes `bytes` at `offset`, but for blocks of zeros. Nothing else was written there.
    ///
    /// # Errors
    /// When the disk is full, for example.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut at = offset;
        for block in bytes.chunks(BLOCK) {
            if block.iter().any(|byte| *byte != 0) {
                self.file.write_all_at(block, at)?;
            }
            at += block.len() as u64;
        }
        Ok(())
    }

    /// Copies all of `from` to `offset` on. Returns how much that was.
    ///
    /// # Errors
    /// When one cannot be read or the other not be written.
    pub fn copy_at(&self, from: &mut dyn Read, offset: u64) -> io::Result<u64> {
        let mut out = self.writer(offset);
        io::copy(from, &mut out)?;
        out.flush()?;
        Ok(out.at - offset)
    }

    /// A stream into the file from `offset` on, to be flushed.
    #[must_use]
    pub fn writer(&self, offset: u64) -> SparseWriter<'_> {
        SparseWriter {
            file: self,
            at: offset,
            pending: Vec::with_capacity(AT_ONCE),
        }
    }
}

/// Gathers what is written until whole blocks can be looked at.
#[derive(Debug)]
pub struct SparseWriter<'a> {
    file: &'a SparseFile,
    at: u64,
    pending: Vec<u8>,
}

impl SparseWriter<'_> {
    fn put(&mut self) -> io::Result<()> {
        self.file.write_at(&self.pending, self.at)?;
        self.at += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

impl Write for SparseWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(AT_ONCE - self.pending.len());
        let (taken, _) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
        self.pending.extend_from_slice(taken);
        if self.pending.len() == AT_ONCE {
            self.put()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn zeros_are_holes_and_all_else_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let disk = SparseFile::create(&path, 8 << 20).unwrap();
        let mut content = vec![0; 3 << 20];
        content[70_000..70_010].fill(7);
        let copied = disk.copy_at(&mut content.as_slice(), 1 << 20).unwrap();
        assert_eq!(copied, 3 << 20);
        let mut expected = vec![0; 8 << 20];
        expected[1 << 20..4 << 20].copy_from_slice(&content);
        assert!(std::fs::read(&path).unwrap() == expected);
        let blocks = std::fs::metadata(&path).unwrap().blocks();
        assert!(blocks <= 16, "{blocks} blocks of 512 bytes are on the disk");
    }
}
