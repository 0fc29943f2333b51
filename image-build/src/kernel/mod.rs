//! Debian's kernel: the image, and of its modules those that a machine may load.

mod batches;
mod disk_drivers;
mod drivers;
mod files;
pub mod modinfo;
mod order;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::deb::Deb;
use crate::tree::{Blob, Kind, Tree};

pub use batches::{Needs, batches};
pub use disk_drivers::DISK_DRIVERS;
pub use drivers::{Drivers, drivers};
use files::ModuleFiles;
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
    /// For devices that the build does not foresee.
    pub drivers: Drivers,
    /// Those of [`DISK_DRIVERS`] that it has and that may be loaded.
    pub disk_drivers: Vec<String>,
    /// Name → uncompressed module, for all batches and drivers.
    pub modules: BTreeMap<String, Blob>,
    /// When the kernel was packaged, in seconds since 1970: no machine's clock is earlier.
    pub epoch: u64,
}

impl Kernel {
    /// Takes the kernel out of its package, resolves the batches, and finds the drivers that are not
    /// in `blacklist`.
    ///
    /// # Errors
    /// When the package holds no kernel, or a required module is missing.
    pub fn from_package(deb: &Deb, needs: &Needs<'_>, blacklist: &[String]) -> Result<Self> {
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
        for name in needs.modules {
            if files.look_up(name)? == Found::Absent {
                bail!(
                    "[kernel] modules in system.toml: there is no module {name}; remove it, or take \
                     another kernel, such as debian = \"linux-image-amd64\""
                );
            }
        }
        let wanted = batches(needs);
        let batches = order(&wanted.each_ref().map(Vec::as_slice), &mut files)?;
        let drivers = drivers(&files.paths(), blacklist, &mut files)?;
        let disk_drivers = disk_drivers::disk_drivers(blacklist, &mut files)?;
        let mut modules = BTreeMap::new();
        for name in batches.iter().flatten().chain(&drivers.names) {
            if !modules.contains_key(name) {
                modules.insert(name.clone(), files.blob(name)?);
            }
        }
        Ok(Self {
            release,
            vmlinuz,
            batches,
            drivers,
            disk_drivers,
            modules,
            epoch,
        })
    }
}
