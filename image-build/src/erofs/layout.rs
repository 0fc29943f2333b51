//! Decides, without IO, where each inode and each block of content goes.

use std::collections::{BTreeMap, HashMap};

use super::directory::{self, Dirent};
use super::ondisk::{BLOCK, DataLayout, FileType, Inode, ROOT_NID, SLOT};
use crate::tree::{Blob, Kind, Node, Tree};

/// A tail of at most this many bytes starts a new metadata block when the current one is too full
/// for it; a longer one gets a block of its own, which wastes less.
const SHORT_TAIL: u64 = 1024;

/// The tree does not fit into the format.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file of 4 GiB or more.
    #[error("/{name}: {len} bytes; a file of a system image holds less than 4 GiB")]
    FileTooLarge {
        /// The file.
        name: String,
        /// Its length in bytes.
        len: u64,
    },
    /// More than 65,535 directories in one.
    #[error("/{name}: more than 65533 directories in one")]
    TooManyDirectories {
        /// The directory.
        name: String,
    },
    /// 2^32 blocks or inodes.
    #[error("the image would be larger than 16 TiB")]
    ImageTooLarge,
}

/// What an inode holds.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Nothing,
    File(Blob),
    Bytes(Vec<u8>),
}

/// An inode with its place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    /// Byte offset of the inode.
    pub(super) offset: u64,
    pub(super) inode: Inode,
    pub(super) content: Content,
}

/// The whole image: inodes in the order of their offsets, content blocks in the same order.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) inodes: Vec<Placed>,
    /// Blocks before the first block of content.
    pub(super) meta_blocks: u64,
    /// Blocks in all.
    pub(super) blocks: u64,
}

/// Files that are one inode: same content, mode and owner.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FileIdentity {
    sha256: [u8; 32],
    mode: u16,
    uid: u16,
    gid: u16,
}

/// Names of each directory, and which inode each name is.
#[derive(Debug, Default)]
struct Names<'a> {
    /// Directory → its names, with the index of the inode that each is.
    children: BTreeMap<&'a str, Vec<(&'a str, usize)>>,
    /// One entry an inode: the first name that it has, and its node.
    inodes: Vec<(&'a str, &'a Node)>,
    links: Vec<u64>,
}

/// Places everything.
pub(super) fn plan(tree: &Tree) -> Result<Layout, LayoutError> {
    let names = collect_names(tree);
    let index: HashMap<&str, usize> = names
        .inodes
        .iter()
        .enumerate()
        .map(|(at, (name, _))| (*name, at))
        .collect();
    let mut placed = Vec::with_capacity(names.inodes.len());
    let mut cursor = Cursor {
        offset: u64::from(ROOT_NID) * SLOT,
    };
    let mut content_blocks: u64 = 0;
    for (at, (name, node)) in names.inodes.iter().enumerate() {
        let size = content_size(name, node, &names);
        let (offset, layout) = cursor.place(size);
        let blocks = match layout {
            DataLayout::FlatInline => size / BLOCK,
            DataLayout::FlatPlain => size.div_ceil(BLOCK),
        };
        let inode = Inode {
            layout,
            mode: file_type(node).mode_bits() | node.mode,
            nlink: link_count(name, &names, at)?,
            size: u32::try_from(size).map_err(|_| LayoutError::FileTooLarge {
                name: (*name).to_owned(),
                len: size,
            })?,
            union: match (&node.kind, blocks) {
                (Kind::CharDevice { major, minor }, _) => device_number(*major, *minor),
                (_, 0) => 0,
                // Counted from the first block of content; its place is known only at the end.
                _ => u32::try_from(content_blocks).map_err(|_| LayoutError::ImageTooLarge)?,
            },
            ino: u32::try_from(at + 1).map_err(|_| LayoutError::ImageTooLarge)?,
            uid: node.uid,
            gid: node.gid,
        };
        content_blocks += blocks;
        placed.push((offset, inode, blocks));
    }
    let meta_blocks = cursor.offset.div_ceil(BLOCK);
    let blocks = meta_blocks + content_blocks;
    let first = u32::try_from(meta_blocks).map_err(|_| LayoutError::ImageTooLarge)?;
    u32::try_from(blocks).map_err(|_| LayoutError::ImageTooLarge)?;
    let nids: Vec<u64> = placed.iter().map(|(offset, ..)| offset / SLOT).collect();
    let inodes = placed
        .into_iter()
        .zip(&names.inodes)
        .map(|((offset, mut inode, blocks), (name, node))| {
            if blocks > 0 {
                inode.union += first;
            }
            Placed {
                offset,
                inode,
                content: content(name, node, &names, &index, &nids),
            }
        })
        .collect();
    Ok(Layout {
        inodes,
        meta_blocks,
        blocks,
    })
}

fn collect_names(tree: &Tree) -> Names<'_> {
    let mut names = Names::default();
    let mut files: HashMap<FileIdentity, usize> = HashMap::new();
    for (name, node) in tree.iter() {
        let known = match &node.kind {
            Kind::File(blob) => {
                let identity = FileIdentity {
                    sha256: *blob.sha256(),
                    mode: node.mode,
                    uid: node.uid,
                    gid: node.gid,
                };
                let next = names.inodes.len();
                let at = *files.entry(identity).or_insert(next);
                // An on-disk link count has 16 bits.
                (at < next && names.links.get(at).is_some_and(|links| *links < 65_000))
                    .then_some(at)
            }
            _ => None,
        };
        let at = known.unwrap_or_else(|| {
            names.inodes.push((name, node));
            names.links.push(0);
            names.inodes.len() - 1
        });
        if let Some(links) = names.links.get_mut(at) {
            *links += 1;
        }
        if node.is_directory() {
            names.children.insert(name, Vec::new());
        }
        if !name.is_empty() {
            let (parent, base) = name.rsplit_once('/').unwrap_or(("", name));
            names.children.entry(parent).or_default().push((base, at));
        }
    }
    names
}

fn file_type(node: &Node) -> FileType {
    match node.kind {
        Kind::Directory => FileType::Directory,
        Kind::File(_) => FileType::Regular,
        Kind::Symlink(_) => FileType::Symlink,
        Kind::CharDevice { .. } => FileType::CharDevice,
    }
}

fn content_size(name: &str, node: &Node, names: &Names<'_>) -> u64 {
    match &node.kind {
        Kind::File(blob) => blob.len(),
        Kind::Symlink(target) => target.len() as u64,
        Kind::CharDevice { .. } => 0,
        Kind::Directory => directory::size(sorted_names(name, names).into_iter()),
    }
}

/// A directory's names with `.` and `..`, in byte order.
fn sorted_names<'a>(name: &str, names: &Names<'a>) -> Vec<&'a str> {
    let children = names.children.get(name).map(Vec::as_slice);
    let mut list: Vec<&str> = children
        .unwrap_or_default()
        .iter()
        .map(|(base, _)| *base)
        .chain([".", ".."])
        .collect();
    list.sort_unstable();
    list
}

fn link_count(name: &str, names: &Names<'_>, at: usize) -> Result<u16, LayoutError> {
    let Some(children) = names.children.get(name) else {
        return Ok(u16::try_from(names.links.get(at).copied().unwrap_or(1)).unwrap_or(u16::MAX));
    };
    let directories = children
        .iter()
        .filter(|(_, at)| names.inodes.get(*at).is_some_and(|(_, n)| n.is_directory()))
        .count();
    u16::try_from(directories + 2).map_err(|_| LayoutError::TooManyDirectories {
        name: name.to_owned(),
    })
}

fn content(
    name: &str,
    node: &Node,
    names: &Names<'_>,
    index: &HashMap<&str, usize>,
    nids: &[u64],
) -> Content {
    match &node.kind {
        Kind::CharDevice { .. } => Content::Nothing,
        Kind::File(blob) => Content::File(blob.clone()),
        Kind::Symlink(target) => Content::Bytes(target.clone().into_bytes()),
        Kind::Directory => {
            let nid_of = |at: usize| nids.get(at).copied().unwrap_or_default();
            let itself = |name: &str| nid_of(index.get(name).copied().unwrap_or_default());
            let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
            let mut entries = vec![
                Dirent {
                    name: ".",
                    nid: itself(name),
                    file_type: FileType::Directory,
                },
                Dirent {
                    name: "..",
                    nid: itself(parent),
                    file_type: FileType::Directory,
                },
            ];
            for (base, at) in names.children.get(name).into_iter().flatten() {
                if let Some((_, node)) = names.inodes.get(*at) {
                    entries.push(Dirent {
                        name: base,
                        nid: nid_of(*at),
                        file_type: file_type(node),
                    });
                }
            }
            entries.sort_unstable_by_key(|entry| entry.name);
            Content::Bytes(directory::content(&entries))
        }
    }
}

/// `new_encode_dev` of the kernel.
fn device_number(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// Where the next inode goes.
#[derive(Debug)]
struct Cursor {
    offset: u64,
}

impl Cursor {
    /// Takes a place for an inode with `size` bytes of content. An inline tail stays within the
    /// inode's block.
    fn place(&mut self, size: u64) -> (u64, DataLayout) {
        let tail = size % BLOCK;
        let left = BLOCK - self.offset % BLOCK;
        let fits_here = SLOT + tail <= left;
        let inline = tail > 0 && (fits_here || tail <= SHORT_TAIL);
        if inline && !fits_here {
            self.offset = self.offset.next_multiple_of(BLOCK);
        }
        let offset = self.offset;
        self.offset += SLOT;
        if inline {
            self.offset = (self.offset + tail).next_multiple_of(SLOT);
            (offset, DataLayout::FlatInline)
        } else {
            (offset, DataLayout::FlatPlain)
        }
    }
}
