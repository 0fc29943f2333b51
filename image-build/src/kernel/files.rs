//! The modules of a kernel's package.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;

use anyhow::{Context, Result, bail};

use super::modinfo::{self, ModuleInfo};
use super::order::{Found, Modules};
use crate::tree::{Blob, Kind, Tree};

/// All of them, and what of the kernel is no module.
#[derive(Debug)]
pub(super) struct ModuleFiles {
    /// By normalized name.
    files: BTreeMap<String, ModuleFile>,
    built_in: BTreeSet<String>,
    /// Algorithm → modules that bring it on any processor; made when it is first asked for.
    algorithms: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Debug)]
struct ModuleFile {
    /// Below the kernel's tree: `drivers/net/veth.ko`.
    path: String,
    /// As packaged.
    blob: Blob,
    /// Once it was looked up.
    info: Option<ModuleInfo>,
}

impl ModuleFiles {
    /// Those of a package's tree.
    pub(super) fn of(tree: &Tree) -> Result<Self> {
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
                let path = path.split_once("/kernel/").map_or(path, |(_, below)| below);
                let file = ModuleFile {
                    path: path.to_owned(),
                    blob: blob.clone(),
                    info: None,
                };
                files.insert(name, file);
            }
        }
        Ok(Self {
            files,
            built_in,
            algorithms: None,
        })
    }

    /// Where each is in the kernel's tree, and its name, in the order of the names.
    pub(super) fn paths(&self) -> Vec<(String, String)> {
        let files = self.files.iter();
        files
            .map(|(name, file)| (file.path.clone(), name.clone()))
            .collect()
    }

    /// A module, uncompressed.
    pub(super) fn blob(&self, name: &str) -> Result<Blob> {
        let file = self.files.get(name);
        let file = file.with_context(|| format!("no module {name}"))?;
        if file.path.ends_with(".ko") {
            return Ok(file.blob.clone());
        }
        Ok(Blob::from_bytes(file.read()?))
    }
}

impl ModuleFile {
    fn read(&self) -> Result<Vec<u8>> {
        let path = &self.path;
        let packed = self.blob.read().with_context(|| format!("read {path}"))?;
        match path.rsplit('.').next() {
            Some("ko") => Ok(packed),
            Some("xz") => {
                let mut bytes = Vec::new();
                lzma_rs::xz_decompress(&mut BufReader::new(packed.as_slice()), &mut bytes)
                    .map_err(|error| anyhow::anyhow!("{path}: {error:?}"))?;
                Ok(bytes)
            }
            _ => bail!("{path}: compressed in a way that is not known here (known: none, xz)"),
        }
    }
}

impl Modules for ModuleFiles {
    fn look_up(&mut self, name: &str) -> Result<Found> {
        if self.built_in.contains(name) {
            return Ok(Found::BuiltIn);
        }
        let Some(file) = self.files.get_mut(name) else {
            return Ok(Found::Absent);
        };
        if let Some(info) = &file.info {
            return Ok(Found::Module(info.clone()));
        }
        let info = modinfo::parse(&file.read()?);
        let info = info.with_context(|| format!("{name}: not a kernel module"))?;
        file.info = Some(info.clone());
        Ok(Found::Module(info))
    }

    fn providers(&mut self, algorithm: &str) -> Result<Vec<String>> {
        let algorithms = match self.algorithms.take() {
            Some(known) => known,
            None => self.read_algorithms()?,
        };
        let found = algorithms.get(algorithm).cloned().unwrap_or_default();
        self.algorithms = Some(algorithms);
        Ok(found)
    }
}

impl ModuleFiles {
    /// By the aliases of what is in the kernel's folders for algorithms: modules elsewhere have the
    /// names of devices as aliases, and reading all would take seconds.
    fn read_algorithms(&mut self) -> Result<BTreeMap<String, Vec<String>>> {
        let names: Vec<String> = self.files.iter().filter_map(of_algorithms).collect();
        let mut algorithms: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in names {
            let Found::Module(info) = self.look_up(&name)? else {
                continue;
            };
            if info.alias.iter().any(|alias| alias.starts_with("cpu:")) {
                // For some processors only: on others it does not load.
                continue;
            }
            for alias in info.alias {
                let of = algorithms.entry(modinfo::normalize(&alias));
                of.or_default().push(name.clone());
            }
        }
        Ok(algorithms)
    }
}

fn of_algorithms((name, file): (&String, &ModuleFile)) -> Option<String> {
    let folders = ["crypto/", "arch/x86/crypto/", "lib/"];
    let mut folders = folders.iter();
    folders
        .any(|folder| file.path.starts_with(folder))
        .then(|| name.clone())
}

/// `kernel/net/802/stp.ko.xz` → `stp`, with underscores.
fn module_name(path: &str) -> Option<String> {
    let base = path.rsplit('/').next()?;
    let (name, rest) = base.split_once(".ko")?;
    matches!(rest, "" | ".xz" | ".zst" | ".gz").then(|| modinfo::normalize(name))
}
