//! What a build is made from, and the digest that says whether it changed.

use anyhow::Result;
use orlop_config::Checked;
use sha2::{Digest, Sha256};

use crate::BuildOptions;
use crate::lock::Lock;
use crate::machine_folder::MachineFolder;
use crate::tree::{Blob, Kind};

/// All that decides the outputs, beside the packages.
#[derive(Debug)]
pub(super) struct Inputs<'a> {
    pub(super) folder: &'a MachineFolder,
    pub(super) checked: &'a Checked,
    pub(super) init: Blob,
    pub(super) program: Blob,
    pub(super) options: &'a BuildOptions,
}

impl Inputs<'_> {
    /// SHA-256 over the inputs and the lock, but for what only disks are made of: equal digests, equal
    /// outputs.
    pub(super) fn digest(&self, lock: &Lock) -> Result<String> {
        let mut hasher = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        // The tool itself: another one may build otherwise.
        let tool = std::env::current_exe()
            .ok()
            .and_then(|path| Blob::from_file(&path).ok());
        add(tool.as_ref().map_or(&[][..], |blob| blob.sha256()));
        add(self.folder.name.as_bytes());
        add(self.init.sha256());
        add(self.program.sha256());
        add(&[
            u8::from(self.options.initramfs_system),
            u8::from(self.options.keep_going),
        ]);
        add(self.folder.system_toml().unwrap_or_default().as_bytes());
        for (name, tree) in &self.folder.services {
            add(name.as_bytes());
            for (name, node) in tree.iter() {
                add(name.as_bytes());
                add(&node.mode.to_le_bytes());
                match &node.kind {
                    Kind::File(blob) => add(blob.sha256()),
                    Kind::Symlink(target) => add(target.as_bytes()),
                    Kind::Directory | Kind::CharDevice { .. } => add(b"/"),
                }
            }
        }
        add(lock.without_disk().to_text()?.as_bytes());
        Ok(hex::encode(hasher.finalize()))
    }
}
