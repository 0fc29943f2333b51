//! `fsck.erofs` of erofs-utils reads back what is written here.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::tree::{Blob, Kind, Node, Tree};

fn file(bytes: Vec<u8>) -> Node {
    Node::file(Blob::from_bytes(bytes), 0o644)
}

/// Every size around the block and slot boundaries, many names in one directory, deep folders,
/// links, a set-user-ID program of another owner.
fn sample() -> Tree {
    let mut tree = Tree::default();
    for size in (0..200)
        .chain(1000..1030)
        .chain(4000..4200)
        .chain([8192, 12_288, 70_000])
    {
        let bytes = (0..size)
            .map(|at| u8::try_from((at * 7 + size) % 251).unwrap())
            .collect();
        tree.insert(&format!("sizes/{size}"), file(bytes)).unwrap();
    }
    for at in 0..2000 {
        let name = format!("many/a-rather-long-name-for-a-file-{at:05}");
        tree.insert(&name, file(b"the same".to_vec())).unwrap();
    }
    tree.insert(
        "usr/bin/su",
        Node {
            uid: 33,
            gid: 65_534,
            mode: 0o4755,
            ..file(vec![1; 5000])
        },
    )
    .unwrap();
    tree.insert("bin", Node::symlink("usr/bin")).unwrap();
    tree.insert("long", Node::symlink(&"x/".repeat(1500)))
        .unwrap();
    tree.insert("a/b/c/d/e/f/empty", Node::directory(0o1777))
        .unwrap();
    tree
}

fn extract(image: &Path, to: &Path) {
    let output = Command::new("fsck.erofs")
        .arg(format!("--extract={}", to.display()))
        .arg(image)
        .output()
        .expect("run fsck.erofs (package erofs-utils)");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn fsck_extracts_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let tree = sample();
    write(&tree, 1_700_000_000, &image).unwrap();
    let out = folder.path().join("out");
    extract(&image, &out);
    let mut seen = 0;
    for (name, node) in tree.iter() {
        let path = out.join(name);
        let found = fs::symlink_metadata(&path).unwrap();
        match &node.kind {
            Kind::Directory => assert!(found.is_dir(), "{name}"),
            Kind::Symlink(target) => {
                assert_eq!(
                    fs::read_link(&path).unwrap().to_str(),
                    Some(target.as_str())
                );
            }
            Kind::File(blob) => assert!(fs::read(&path).unwrap() == blob.read().unwrap(), "{name}"),
            Kind::CharDevice { .. } => unreachable!(),
        }
        if !found.is_symlink() {
            assert_eq!(found.mode() & 0o777, u32::from(node.mode) & 0o777, "{name}");
        }
        seen += 1;
    }
    assert!(seen > 2400);
}

#[test]
fn owners_modes_and_links_are_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    write(&sample(), 1_700_000_000, &image).unwrap();
    let dump = |path: &str| {
        let output = Command::new("dump.erofs")
            .arg(format!("--path={path}"))
            .arg(&image)
            .output();
        String::from_utf8(output.expect("run dump.erofs").stdout).unwrap()
    };
    let su = dump("/usr/bin/su");
    assert!(su.contains("Uid: 33   Gid: 65534  Access: 0755"), "{su}");
    assert!(su.contains("Timestamp: 2023-11-14"), "{su}");
    // dump.erofs 1.5 leaves out the set-user-ID bit: read it from the inode's i_mode.
    let nid: usize = su
        .split("NID: ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let bytes = fs::read(&image).unwrap();
    assert_eq!(
        bytes[nid * 32 + 4..nid * 32 + 6],
        0o104_755_u16.to_le_bytes()
    );
    let many = dump("/many/a-rather-long-name-for-a-file-01999");
    assert!(many.contains("Links: 2000"), "{many}");
}

#[test]
fn same_tree_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let first = write(&sample(), 1, &one).unwrap();
    let second = write(&sample(), 1, &two).unwrap();
    assert_eq!(first, second);
    assert!(fs::read(&one).unwrap() == fs::read(&two).unwrap());
    let third = write(&sample(), 2, &two).unwrap();
    assert_ne!(first, third);
}
