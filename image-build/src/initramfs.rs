//! The initramfs: PID 1, an emergency busybox, and the modules that finding the system takes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use crate::cpio;
use crate::kernel::Kernel;
use crate::tree::{Blob, Node, Tree};

/// What goes into it.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The static PID 1.
    pub init: Blob,
    /// A static busybox for the emergency console.
    pub busybox: Blob,
    /// `boot.json`.
    pub boot_json: &'a str,
    /// For the modules of batch `boot`.
    pub kernel: &'a Kernel,
    /// The whole system, for a machine without a system disk.
    pub system: Option<Blob>,
}

/// Puts it together.
///
/// # Errors
/// When a name does not fit into a tree.
pub fn tree(parts: Parts<'_>) -> Result<Tree> {
    let mut tree = Tree::default();
    tree.insert("init", Node::file(parts.init, 0o755))?;
    tree.insert("busybox", Node::file(parts.busybox, 0o755))?;
    tree.insert(
        "boot.json",
        Node::file(Blob::from_bytes(parts.boot_json.as_bytes()), 0o644),
    )?;
    // The kernel opens it as PID 1's stdin, stdout and stderr before devtmpfs is there.
    tree.insert("dev/console", Node::char_device(5, 1, 0o600))?;
    // Rust's start-up opens it in place of what is closed, or aborts: a console whose driver is a module
    // cannot be opened yet.
    tree.insert("dev/null", Node::char_device(1, 3, 0o666))?;
    for name in ["proc", "sys", "run", "root", "modules"] {
        tree.make_directory(name)?;
    }
    for name in parts.kernel.batches.first().into_iter().flatten() {
        if let Some(blob) = parts.kernel.modules.get(name) {
            tree.insert(
                &format!("modules/{name}.ko"),
                Node::file(blob.clone(), 0o644),
            )?;
        }
    }
    if let Some(system) = parts.system {
        tree.insert("system.erofs", Node::file(system, 0o444))?;
    }
    Ok(tree)
}

/// Writes it, not compressed: without the system it is small enough that unpacking costs more than
/// copying it (`docs/adr/0007`).
///
/// # Errors
/// When the file cannot be written or content not be read.
pub fn write(tree: &Tree, path: &Path) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        cpio::write(tree, &mut out)?;
        out.flush()
    };
    write().with_context(|| format!("write {}", path.display()))
}
