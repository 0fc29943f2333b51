//! Debian's kernel: the image, and of its modules those that a machine loads, in load order.

mod batches;
pub mod modinfo;
mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;

use anyhow::{Context, Result, bail};

use crate::deb::Deb;
use crate::tree::{Blob, Kind, Tree};

pub use batches::batches;
pub use order::{Found, Modules, Wanted, order};

/// What a machine needs of its kernel's package.
#[derive(Debug)]
pub struct Kernel {
    /// `6.1.0-1-cloud-amd64`.
    pub release: String,
    /// The bootable image.
    pub vmlinuz: Blob,
    /// Load order of each batch, in the order of [`batches`].
    pub batches: Vec<Vec<String>>,
    /// Name → uncompressed module, for all batches.
    pub modules: BTreeMap<String, Blob>,
    /// When the kernel was packaged, in seconds since 1970: no machine's clock is earlier.
    pub epoch: u64,
}

impl Kernel {
    /// Takes the kernel out of its package and resolves `batches`.
    ///
    /// # Errors
    /// When the package holds no kernel, or a required module is missing.
    pub fn from_package(deb: &Deb, batches: &[&[Wanted]]) -> Result<Self> {
        let mut tree = Tree::default();
        let epoch = deb.extract(&mut tree, |name| {
            name.starts_with("boot/vmlinuz-")
                || name.contains("lib/modules/") && {
                    name.contains(".ko") || name.ends_with("/modules.builtin")
                }
        })?;
        let (release, vmlinuz) = tree
            .iter()
            .find_map(|(name, node)| match &node.kind {
                Kind::File(blob) => {
                    Some((name.strip_prefix("boot/vmlinuz-")?.to_owned(), blob.clone()))
                }
                _ => None,
            })
            .context("the kernel's package has no boot/vmlinuz-…")?;
        let mut files = ModuleFiles::of(&tree)?;
        let batches = order(batches, &mut files)?;
        let mut modules = BTreeMap::new();
        for name in batches.iter().flatten() {
            modules.insert(name.clone(), Blob::from_bytes(files.read(name)?));
        }
        Ok(Self {
            release,
            vmlinuz,
            batches,
            modules,
            epoch,
        })
    }
}

/// The modules of a kernel's package.
#[derive(Debug)]
struct ModuleFiles {
    /// Normalized name → file name and content as packaged.
    files: BTreeMap<String, (String, Blob)>,
    built_in: BTreeSet<String>,
    read: BTreeMap<String, Vec<u8>>,
}

impl ModuleFiles {
    fn of(tree: &Tree) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut built_in = BTreeSet::new();
        for (path, node) in tree.iter() {
            let Kind::File(blob) = &node.kind else {
                continue;
            };
            let base = path.rsplit('/').next().unwrap_or(path);
            if base == "modules.builtin" {
                let text = String::from_utf8(blob.read().context("read modules.builtin")?)
                    .context("modules.builtin is not UTF-8")?;
                built_in.extend(text.lines().filter_map(module_name));
            } else if let Some(name) = module_name(base) {
                files.insert(name, (base.to_owned(), blob.clone()));
            }
        }
        Ok(Self {
            files,
            built_in,
            read: BTreeMap::new(),
        })
    }

    /// A module's bytes, uncompressed.
    fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        if let Some(bytes) = self.read.get(name) {
            return Ok(bytes.clone());
        }
        let (file, blob) = self
            .files
            .get(name)
            .with_context(|| format!("no module {name}"))?;
        let packed = blob.read().with_context(|| format!("read {file}"))?;
        let bytes = match file.rsplit('.').next() {
            Some("ko") => packed,
            Some("xz") => {
                let mut bytes = Vec::new();
                lzma_rs::xz_decompress(&mut BufReader::new(packed.as_slice()), &mut bytes)
                    .map_err(|error| anyhow::anyhow!("{file}: {error:?}"))?;
                bytes
            }
            _ => bail!("{file}: compressed in a way that is not known here (known: none, xz)"),
        };
        self.read.insert(name.to_owned(), bytes.clone());
        Ok(bytes)
    }
}

impl Modules for ModuleFiles {
    fn look_up(&mut self, name: &str) -> Result<Found> {
        if self.built_in.contains(name) {
            return Ok(Found::BuiltIn);
        }
        if !self.files.contains_key(name) {
            return Ok(Found::Absent);
        }
        let bytes = self.read(name)?;
        let info =
            modinfo::parse(&bytes).with_context(|| format!("{name}: not a kernel module"))?;
        Ok(Found::Module(info))
    }
}

/// `kernel/net/802/stp.ko.xz` → `stp`, with underscores.
fn module_name(path: &str) -> Option<String> {
    let base = path.rsplit('/').next()?;
    let (name, rest) = base.split_once(".ko")?;
    matches!(rest, "" | ".xz" | ".zst" | ".gz").then(|| modinfo::normalize(name))
}
