//! The kernel, the emergency busybox, and every image.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use orlop_config::{Build, Service};

use super::inputs::Inputs;
use crate::catalogue::{self, catalogue};
use crate::cmdline;
use crate::image;
use crate::kernel::{self, Kernel};
use crate::lock::{Owner, Pin};
use crate::packages::Packages;
use crate::progress::Progress;
use crate::tree::{Blob, Kind, Tree};

/// Where the emergency console's busybox comes from.
const BUSYBOX: &str = "busybox-static";

/// Where the check of a damaged state disk comes from.
const E2FSCK: &str = "e2fsck-static";

/// What a machine boots with beside its images.
#[derive(Debug)]
pub(super) struct BootParts {
    pub(super) kernel: Kernel,
    /// A static busybox for the emergency console.
    pub(super) busybox: Blob,
    /// A static e2fsck for the state disk.
    pub(super) e2fsck: Blob,
}

/// The kernel, the emergency busybox, and e2fsck.
pub(super) fn boot_parts(inputs: &Inputs<'_>, packages: &mut Packages) -> Result<BootParts> {
    let wanted = &inputs.checked.machine.kernel;
    let programs = [BUSYBOX, E2FSCK];
    let requested = [wanted.debian.clone(), BUSYBOX.to_owned(), E2FSCK.to_owned()];
    let pins = packages
        .pinned(Owner::Kernel, &wanted.suite, &requested, |root| {
            let mut found = root.closure(&requested)?;
            found.retain(|package| {
                programs.contains(&package.name.as_str()) || is_kernel_image(&package.name)
            });
            Ok(found)
        })
        .with_context(|| format!("kernel {}", wanted.debian))?;
    packages.fetch(&wanted.suite, &pins)?;
    let pin = |what: &dyn Fn(&Pin) -> bool, name: &str| {
        pins.iter()
            .find(|pin| what(pin))
            .with_context(|| format!("{name}: no such package"))
    };
    let kernel = pin(&|pin| is_kernel_image(&pin.name), &wanted.debian)?;
    let writable = inputs
        .checked
        .services
        .values()
        .any(|service| !service.read_only);
    let needs = kernel::Needs {
        initramfs_system: inputs.options.initramfs_system,
        writable_root: writable,
        virtio_console: cmdline::is_on_virtio(&wanted.cmdline),
        modules: &wanted.modules,
    };
    let kernel = Kernel::from_package(&packages.open(kernel)?, &needs, &wanted.blacklist)
        .with_context(|| format!("kernel {}", kernel.name))?;
    let program = |package: &str, path: &str| {
        let mut files = Tree::default();
        packages
            .open(pin(&|pin| pin.name == package, package)?)?
            .extract(&mut files, |name| name.ends_with(path))?;
        let blob = files.iter().find_map(|(_, node)| match &node.kind {
            Kind::File(blob) => Some(blob.clone()),
            _ => None,
        });
        blob.with_context(|| format!("{package} has no {path}"))
    };
    Ok(BootParts {
        kernel,
        busybox: program(BUSYBOX, "bin/busybox")?,
        e2fsck: program(E2FSCK, "sbin/e2fsck.static")?,
    })
}

/// `linux-image-6.1.0-1-cloud-amd64`, not the package that only depends on the newest.
fn is_kernel_image(name: &str) -> bool {
    name.strip_prefix("linux-image-")
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Every image that a service runs from.
pub(super) fn images(
    inputs: &Inputs<'_>,
    packages: &mut Packages,
    progress: Progress,
) -> Result<BTreeMap<String, Tree>> {
    let known = Known::of(inputs)?;
    let mut wanted: BTreeMap<&str, Vec<(&Service, &Tree)>> = BTreeMap::new();
    for service in inputs.checked.services.values() {
        let folder = inputs
            .folder
            .services
            .get(service.folder().as_str())
            .unwrap_or(&known.nothing);
        wanted
            .entry(service.image.as_str())
            .or_default()
            .push((service, folder));
    }
    let mut images = BTreeMap::new();
    for (name, services) in wanted {
        // A missing image is the machine's to say, service by service; check has said it already.
        if let Some((build, folder)) = known.builds.get(name) {
            let recipe = image::Recipe {
                name,
                build,
                folder,
                services,
            };
            let tree = image::build(&recipe, &inputs.program, packages, progress)?;
            images.insert(name.to_owned(), tree);
        }
    }
    Ok(images)
}

/// Every `build` by the name of its image; the machine's own before the catalogue's.
#[derive(Debug)]
struct Known {
    builds: BTreeMap<String, (Build, Tree)>,
    nothing: Tree,
}

impl Known {
    fn of(inputs: &Inputs<'_>) -> Result<Self> {
        let mut builds = BTreeMap::new();
        let ready = catalogue::check();
        for folder in catalogue() {
            let service = ready
                .services
                .values()
                .find(|service| service.folder().as_str() == folder.name);
            if let Some((service, build)) = service.and_then(|s| Some((s, s.build.clone()?))) {
                builds.insert(service.image.as_str().to_owned(), (build, folder.tree()?));
            }
        }
        for service in inputs.checked.services.values() {
            if let Some(build) = service.build.clone() {
                let folder = inputs
                    .folder
                    .services
                    .get(service.folder().as_str())
                    .cloned();
                builds.insert(
                    service.image.as_str().to_owned(),
                    (build, folder.unwrap_or_default()),
                );
            }
        }
        Ok(Self {
            builds,
            nothing: Tree::default(),
        })
    }
}
