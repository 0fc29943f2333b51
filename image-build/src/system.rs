//! The system's tree: what the machine mounts as `/` (`docs/architecture.md`, "A built machine").

use std::collections::BTreeMap;

use anyhow::Result;

use crate::kernel::Kernel;
use crate::tree::{Blob, Node, Tree};

/// What the system is put together from.
#[derive(Debug)]
pub struct Parts<'a> {
    /// `system.toml` as written, if there is one.
    pub system_toml: Option<&'a str>,
    /// Every service's folder, broken ones too: the machine says the same sentence as `check`.
    pub services: &'a BTreeMap<String, Tree>,
    /// Every image.
    pub images: BTreeMap<String, Tree>,
    /// For the modules of the later batches and of unforeseen devices.
    pub kernel: &'a Kernel,
    /// `boot.json`.
    pub boot_json: &'a str,
    /// The multi-call binary.
    pub program: &'a Blob,
    /// A static e2fsck.
    pub e2fsck: Blob,
    /// What a state partition is made of, as a stream.
    pub state_template: Blob,
}

/// Puts it together.
///
/// # Errors
/// When a name does not fit into a tree.
pub fn tree(parts: Parts<'_>) -> Result<Tree> {
    let mut tree = Tree::default();
    for name in [
        "proc",
        "sys",
        "dev",
        "run",
        "state",
        "images",
        "etc/orlop/services",
    ] {
        tree.make_directory(name)?;
    }
    if let Some(text) = parts.system_toml {
        tree.insert("etc/orlop/system.toml", text_file(text))?;
    }
    for (name, folder) in parts.services {
        tree.graft(&format!("etc/orlop/services/{name}"), folder.clone())?;
    }
    tree.insert("etc/orlop/boot.json", text_file(parts.boot_json))?;
    for (name, image) in parts.images {
        tree.graft(&format!("images/{name}"), image)?;
    }
    modules(&mut tree, parts.kernel)?;
    for (name, blob, mode) in [
        ("services", parts.program.clone(), 0o755),
        ("e2fsck", parts.e2fsck, 0o755),
        ("state.template", parts.state_template, 0o644),
    ] {
        tree.insert(&format!("usr/lib/orlop/{name}"), Node::file(blob, mode))?;
    }
    Ok(tree)
}

/// All but those that are loaded from the initramfs, and by which device each driver is found.
fn modules(tree: &mut Tree, kernel: &Kernel) -> Result<()> {
    tree.make_directory("lib/modules")?;
    for name in kernel.system_modules() {
        if let Some(blob) = kernel.modules.get(name) {
            let path = format!("lib/modules/{name}.ko");
            tree.insert(&path, Node::file(blob.clone(), 0o644))?;
        }
    }
    let drivers = &kernel.drivers;
    tree.insert("lib/modules/modules.alias", text_file(&drivers.alias))?;
    tree.insert("lib/modules/modules.dep", text_file(&drivers.dep))?;
    Ok(())
}

fn text_file(text: &str) -> Node {
    Node::file(Blob::from_bytes(text.as_bytes()), 0o644)
}
