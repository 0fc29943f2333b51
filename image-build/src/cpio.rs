//! Writes a [`Tree`] as a "newc" cpio archive, the format that the kernel unpacks as initramfs
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! Sorted, every time 0, inode numbers counted from 1: same tree, same bytes.

use std::io::{self, Write};

use crate::tree::{Kind, Node, Tree};

/// Writes the archive with its trailer.
///
/// # Errors
/// When content cannot be read or `out` not be written, or a file has 4 GiB or more.
pub fn write(tree: &Tree, out: &mut impl Write) -> io::Result<()> {
    let mut inode = 0;
    for (name, node) in tree.iter().filter(|(name, _)| !name.is_empty()) {
        inode += 1;
        let size = match &node.kind {
            Kind::File(blob) => blob.len(),
            Kind::Symlink(target) => target.len() as u64,
            Kind::Directory | Kind::CharDevice { .. } => 0,
        };
        let size = u32::try_from(size).map_err(|_| {
            io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("/{name}: 4 GiB or more"),
            )
        })?;
        write_header(out, inode, name, node, size)?;
        match &node.kind {
            Kind::File(blob) => {
                let copied = io::copy(&mut blob.open()?, out)?;
                if copied != u64::from(size) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Kind::Symlink(target) => out.write_all(target.as_bytes())?,
            Kind::Directory | Kind::CharDevice { .. } => {}
        }
        pad(out, u64::from(size))?;
    }
    let trailer = Node {
        mode: 0,
        ..Node::directory(0)
    };
    write_header(out, 0, "TRAILER!!!", &trailer, 0)
}

fn write_header(
    out: &mut impl Write,
    inode: u32,
    name: &str,
    node: &Node,
    size: u32,
) -> io::Result<()> {
    let (type_bits, links, (major, minor)) = match &node.kind {
        _ if inode == 0 => (0, 1, (0, 0)),
        Kind::Directory => (0o040_000, 2, (0, 0)),
        Kind::File(_) => (0o100_000, 1, (0, 0)),
        Kind::Symlink(_) => (0o120_000, 1, (0, 0)),
        Kind::CharDevice { major, minor } => (0o020_000, 1, (*major, *minor)),
    };
    let mode = type_bits | u32::from(node.mode);
    let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
    let fields = [
        inode,
        mode,
        u32::from(node.uid),
        u32::from(node.gid),
        links,
        0, // time
        size,
        0, // device that holds the archive, major and minor
        0,
        major,
        minor,
        name_size,
        0, // checksum, unused in newc
    ];
    write!(out, "070701")?;
    for field in fields {
        write!(out, "{field:08x}")?;
    }
    out.write_all(name.as_bytes())?;
    out.write_all(b"\0")?;
    pad(out, 110 + u64::from(name_size))
}

/// Headers and contents are padded to four bytes.
fn pad(out: &mut impl Write, written: u64) -> io::Result<()> {
    let missing = (4 - written % 4) % 4;
    io::copy(&mut io::Read::take(io::repeat(0), missing), out).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::tree::Blob;

    fn sample() -> Tree {
        let mut tree = Tree::default();
        let blob = Blob::from_bytes(&b"#!/bin/sh\n"[..]);
        tree.insert("init", Node::file(blob, 0o755)).unwrap();
        tree.insert("dev/console", Node::char_device(5, 1, 0o600))
            .unwrap();
        tree.insert("odd", Node::symlink("init")).unwrap();
        tree
    }

    #[test]
    fn cpio_lists_what_was_written() {
        let mut archive = Vec::new();
        write(&sample(), &mut archive).unwrap();
        let mut child = Command::new("cpio")
            .args(["--list", "--verbose", "--quiet", "--numeric-uid-gid"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run cpio");
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let listing = String::from_utf8(output.stdout).unwrap();
        let columns: Vec<Vec<&str>> = listing
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(columns.len(), 4, "{listing}");
        assert_eq!(
            (columns[0][0], columns[0].last()),
            ("drwxr-xr-x", Some(&"dev"))
        );
        assert_eq!(columns[1][..6], ["crw-------", "1", "0", "0", "5,", "1"]);
        assert_eq!((columns[2][0], columns[2][4]), ("-rwxr-xr-x", "10"));
        assert!(listing.contains("odd -> init"), "{listing}");
    }

    #[test]
    fn same_tree_same_bytes() {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        write(&sample(), &mut one).unwrap();
        write(&sample(), &mut two).unwrap();
        assert_eq!(one, two);
        assert_eq!(one.len() % 4, 0);
    }
}
