//! The content of a regular file, by reference and known by its hash.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// A range of a file on the workstation, such as one member of a package's tar.
    Range { path: Arc<Path>, offset: u64 },
}

/// The content of one regular file, known by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    source: Source,
    len: u64,
    sha256: [u8; 32],
}

impl Blob {
    /// Content in memory.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            len: bytes.len() as u64,
            sha256: Sha256::digest(&bytes).into(),
            source: Source::Bytes(bytes),
        }
    }

    /// A range of a file, whose bytes the caller has hashed while reading them.
    #[must_use]
    pub fn from_range(path: Arc<Path>, offset: u64, len: u64, sha256: [u8; 32]) -> Self {
        Self {
            source: Source::Range { path, offset },
            len,
            sha256,
        }
    }

    /// A whole file of the workstation; hashes it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let len = io::copy(&mut file, &mut HashWriter(&mut hasher))?;
        Ok(Self::from_range(
            path.into(),
            0,
            len,
            hasher.finalize().into(),
        ))
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// SHA-256 of the content.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The bytes as a stream of exactly [`Blob::len`] bytes.
    ///
    /// # Errors
    /// When the file behind it cannot be opened.
    pub fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        match &self.source {
            Source::Bytes(bytes) => Ok(Box::new(bytes.as_ref())),
            Source::Range { path, offset } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(*offset))?;
                Ok(Box::new(file.take(self.len)))
            }
        }
    }

    /// All bytes.
    ///
    /// # Errors
    /// When they cannot be read, or have become fewer since they were hashed.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        if bytes.len() as u64 == self.len {
            Ok(bytes)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// Feeds what is written to a hash.
#[derive(Debug)]
pub struct HashWriter<'a>(pub &'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.update(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
