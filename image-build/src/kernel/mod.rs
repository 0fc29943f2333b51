//! Debian's kernel: the image, and of its modules those that a machine may load.

mod batches;
mod disk_drivers;
mod drivers;
mod files;
pub mod modinfo;
mod order;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use crate::deb::Deb;
use crate::tree::{Blob, Kind, Tree};

pub use batches::{DISK, Needs, batches};
pub use disk_drivers::DISK_DRIVERS;
pub use drivers::{Drivers, DriversFor, drivers};
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
    /// Load order of what opening the system on a disk takes beside batch `boot`. Other batches may
    /// name the same modules again, since not every machine boots from a disk.
    pub disk: Vec<String>,
    /// For devices that the build does not foresee.
    pub drivers: Drivers,
    /// For the disk that the system is on, of whatever kind.
    pub storage: Drivers,
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
        let [boot, ..] = &wanted;
        let disk = order(&[boot.as_slice(), DISK], &mut files)?.pop();
        let disk = disk.unwrap_or_default();
        let paths = files.paths();
        let storage = drivers(DriversFor::Disks, &paths, blacklist, &mut files)?;
        let drivers = drivers(DriversFor::System, &paths, blacklist, &mut files)?;
        let disk_drivers = disk_drivers::disk_drivers(blacklist, &mut files)?;
        let mut modules = BTreeMap::new();
        let names = batches.iter().flatten().chain(&drivers.names);
        for name in names.chain(&disk).chain(&storage.names) {
            if !modules.contains_key(name) {
                modules.insert(name.clone(), files.blob(name)?);
            }
        }
        Ok(Self {
            release,
            vmlinuz,
            batches,
            disk,
            drivers,
            storage,
            disk_drivers,
            modules,
            epoch,
        })
    }

    /// What the system carries: all but what is loaded before it is there.
    #[must_use]
    pub fn system_modules(&self) -> BTreeSet<&str> {
        let batches = self.batches.iter();
        let boot: BTreeSet<&String> = batches.clone().take(1).flatten().collect();
        let names = batches.skip(1).flatten().chain(&self.drivers.names);
        let names = names.filter(|name| !boot.contains(name));
        names.map(String::as_str).collect()
    }
}
