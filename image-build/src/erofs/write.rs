//! Puts the planned layout into a file.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::layout::{self, Content, Layout, LayoutError, Placed};
use super::ondisk::{BLOCK, DataLayout, ROOT_NID, SUPERBLOCK_OFFSET, Superblock};
use crate::tree::{Kind, Tree};

/// The image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The tree does not fit into the format.
    #[error("lay out the system image")]
    Layout(#[source] LayoutError),
    /// The image's file.
    #[error("write {path}")]
    Write {
        /// The image's file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Writes the tree to `path`, every file's time being `epoch` (seconds since 1970). Returns the
/// file's SHA-256. Same tree and epoch, same bytes.
///
/// # Errors
/// When the tree does not fit into the format, content cannot be read, or the file not be written.
pub fn write(tree: &Tree, epoch: u64, path: &Path) -> Result<[u8; 32], WriteError> {
    let layout = layout::plan(tree).map_err(WriteError::Layout)?;
    let superblock = Superblock {
        root_nid: ROOT_NID,
        inodes: layout.inodes.len() as u64,
        epoch,
        blocks: u32::try_from(layout.blocks).unwrap_or(u32::MAX),
        uuid: uuid(tree, epoch),
    };
    let to_file = || -> io::Result<[u8; 32]> {
        let mut out = Output::create(path)?;
        write_all(&layout, &superblock, &mut out)?;
        out.finish()
    };
    to_file().map_err(|source| WriteError::Write {
        path: path.to_owned(),
        source,
    })
}

fn write_all(layout: &Layout, superblock: &Superblock, out: &mut Output) -> io::Result<()> {
    out.pad_to(SUPERBLOCK_OFFSET as u64)?;
    out.write_all(&superblock.to_bytes())?;
    for placed in &layout.inodes {
        out.pad_to(placed.offset)?;
        out.write_all(&placed.inode.to_bytes())?;
        if placed.inode.layout == DataLayout::FlatInline {
            out.write_all(&tail(placed)?)?;
        }
    }
    out.pad_to(layout.meta_blocks * BLOCK)?;
    for placed in &layout.inodes {
        write_blocks(placed, out)?;
        out.pad_to(out.written.next_multiple_of(BLOCK))?;
    }
    Ok(())
}

/// What stands right behind the inode.
fn tail(placed: &Placed) -> io::Result<Vec<u8>> {
    let whole = u64::from(placed.inode.size) / BLOCK * BLOCK;
    match &placed.content {
        Content::Nothing => Ok(Vec::new()),
        Content::Bytes(bytes) => Ok(bytes
            .get(usize::try_from(whole).unwrap_or(usize::MAX)..)
            .unwrap_or_default()
            .to_vec()),
        Content::File(blob) => {
            let mut reader = blob.open()?;
            io::copy(&mut reader.by_ref().take(whole), &mut io::sink())?;
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            Ok(bytes)
        }
    }
}

/// The content's blocks, without an inline tail.
fn write_blocks(placed: &Placed, out: &mut Output) -> io::Result<()> {
    let size = u64::from(placed.inode.size);
    let len = match placed.inode.layout {
        DataLayout::FlatPlain => size,
        DataLayout::FlatInline => size / BLOCK * BLOCK,
    };
    if len == 0 {
        return Ok(());
    }
    let copied = match &placed.content {
        Content::Nothing => 0,
        Content::Bytes(bytes) => io::copy(&mut bytes.as_slice().take(len), out)?,
        Content::File(blob) => io::copy(&mut blob.open()?.take(len), out)?,
    };
    if copied == len {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// A UUID (version 8, RFC 9562: own content) from all that the image is made of.
fn uuid(tree: &Tree, epoch: u64) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update(epoch.to_le_bytes());
    for (name, node) in tree.iter() {
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        for number in [node.mode, node.uid, node.gid] {
            hasher.update(number.to_le_bytes());
        }
        match &node.kind {
            Kind::Directory => hasher.update(b"d"),
            Kind::File(blob) => hasher.update(blob.sha256()),
            Kind::Symlink(target) => hasher.update(target),
            Kind::CharDevice { major, minor } => {
                hasher.update(major.to_le_bytes());
                hasher.update(minor.to_le_bytes());
            }
        }
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let mut uuid = [0; 16];
    for (to, from) in uuid.iter_mut().zip(digest) {
        *to = from;
    }
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut uuid;
    *version = (*version & 0x0f) | 0x80;
    *variant = (*variant & 0x3f) | 0x80;
    uuid
}

/// A file that is hashed while it is written.
#[derive(Debug)]
struct Output {
    file: BufWriter<File>,
    hasher: Sha256,
    written: u64,
}

impl Output {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, File::create(path)?),
            hasher: Sha256::new(),
            written: 0,
        })
    }

    fn pad_to(&mut self, offset: u64) -> io::Result<()> {
        let missing = offset.saturating_sub(self.written);
        io::copy(&mut io::repeat(0).take(missing), self).map(|_| ())
    }

    fn finish(mut self) -> io::Result<[u8; 32]> {
        self.file.flush()?;
        Ok(self.hasher.finalize().into())
    }
}

impl Write for Output {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write_all(buf)?;
        self.hasher.update(buf);
        self.written += buf.len() as u64;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
