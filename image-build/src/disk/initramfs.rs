//! The initramfs of a disk: that of `build/`, and what opening a slot on any disk takes
//! (`docs/architecture.md`, "A disk").

use std::io::Write as _;

use anyhow::{Context, Result};

use crate::cpio;
use crate::initramfs::{self, Parts};
use crate::kernel::Kernel;
use crate::tree::{Blob, Node, Tree};

/// How hard zstd tries: what lies twice on a small partition, and is read through a BIOS, is worth a
/// second of the build.
const LEVEL: i32 = 15;

/// Puts it together: `parts`, batch `disk`, the drivers of storage, and the program that loads them.
///
/// # Errors
/// When a name does not fit into a tree.
pub fn tree(parts: Parts<'_>, program: &Blob) -> Result<Tree> {
    let kernel = parts.kernel;
    let mut tree = initramfs::tree(parts)?;
    let mut add = |folder: &str, name: &str| match kernel.modules.get(name) {
        Some(blob) => {
            let path = format!("{folder}/{name}.ko");
            tree.insert(&path, Node::file(blob.clone(), 0o644))
        }
        None => Ok(()),
    };
    for name in &kernel.disk {
        add("modules", name)?;
    }
    for name in loaded_for_devices(kernel) {
        add("lib/modules", name)?;
    }
    let text = |text: &str| Node::file(Blob::from_bytes(text.as_bytes()), 0o644);
    tree.insert("lib/modules/modules.alias", text(&kernel.storage.alias))?;
    tree.insert("lib/modules/modules.dep", text(&kernel.storage.dep))?;
    let program = Node::file(program.clone(), 0o755);
    tree.insert("usr/lib/orlop/services", program)?;
    Ok(tree)
}

/// Drivers of storage that no batch loads.
fn loaded_for_devices(kernel: &Kernel) -> impl Iterator<Item = &String> {
    let early: Vec<&String> = kernel
        .batches
        .iter()
        .take(1)
        .flatten()
        .chain(&kernel.disk)
        .collect();
    let names = kernel.storage.names.iter();
    names.filter(move |name| !early.contains(name))
}

/// The archive, compressed.
///
/// # Errors
/// When content cannot be read.
pub fn archive(tree: &Tree) -> Result<Vec<u8>> {
    let write = || {
        let mut out = zstd::Encoder::new(Vec::new(), LEVEL)?;
        cpio::write(tree, &mut out)?;
        out.flush()?;
        out.finish()
    };
    write().context("write the initramfs of the disk")
}
