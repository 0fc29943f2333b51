//! One name's kind, mode and owner.

use super::Blob;

/// What a name in the tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Blob),
    /// A symbolic link and its target.
    Symlink(String),
    /// A character device; only in the initramfs.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// One name in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u16,
    /// Owner, as the container sees it.
    pub uid: u16,
    /// Group, as the container sees it.
    pub gid: u16,
}

impl Node {
    /// A directory of root's.
    #[must_use]
    pub fn directory(mode: u16) -> Self {
        Self::of_root(Kind::Directory, mode)
    }

    /// A file of root's.
    #[must_use]
    pub fn file(blob: Blob, mode: u16) -> Self {
        Self::of_root(Kind::File(blob), mode)
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(target: &str) -> Self {
        Self::of_root(Kind::Symlink(target.to_owned()), 0o777)
    }

    /// A character device of root's.
    #[must_use]
    pub fn char_device(major: u32, minor: u32, mode: u16) -> Self {
        Self::of_root(Kind::CharDevice { major, minor }, mode)
    }

    fn of_root(kind: Kind, mode: u16) -> Self {
        Self {
            kind,
            mode,
            uid: 0,
            gid: 0,
        }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }
}
