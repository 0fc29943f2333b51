//! Stage `load_config`: the manifests in the system become checked values.
//!
//! Bad input never stops the boot: a broken section falls back to its defaults, a broken service is
//! left out and named in the very words of `orlop check`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use orlop_config::{Checked, FolderFiles, Severity, Sources, check};

use crate::stage::chain;
use crate::stage::{Done, Fatal};

/// Where the builder put the manifests.
pub const CONFIG_ROOT: &str = "/etc/orlop";
/// Where the builder put the images' root file systems.
pub const IMAGES_ROOT: &str = "/images";

/// Reads and checks `system.toml` and every `services/<name>/service.toml` below `root`.
///
/// # Errors
/// Never: whatever is wrong is said in `degraded`.
pub fn run(root: &Path, images: &Path) -> Result<Done<Checked>, Fatal> {
    let mut degraded = Vec::new();
    let sources = load_sources(root, images, &mut degraded);
    let checked = check(&sources);
    let errors = checked.diagnostics.iter();
    let errors = errors.filter(|found| found.severity == Severity::Error);
    // Those of a service are told with its name, when it is left out.
    let of_system = errors.filter(|found| !found.file.starts_with("services/"));
    degraded.extend(of_system.map(ToString::to_string));
    if !checked.broken.is_empty() {
        let names: Vec<&str> = checked.broken.keys().map(String::as_str).collect();
        degraded.push(format!("left out: {}", names.join(", ")));
    }
    Ok(Done {
        value: checked,
        degraded,
    })
}

fn load_sources(root: &Path, images: &Path, degraded: &mut Vec<String>) -> Sources {
    let mut sources = Sources::default();
    sources.add_system(fs::read(root.join("system.toml")).into());
    let services = root.join("services");
    for name in list(&services, degraded) {
        sources.add_service(
            &name,
            fs::read(services.join(&name).join("service.toml")).into(),
        );
    }
    sources.images = list(images, degraded);
    sources.files =
        FolderFiles::new(move |folder, path| read_file(&services.join(folder).join(path)).into());
    sources
}

/// A regular file's first bytes. A link may lead anywhere in the machine: to what never ends, or to a
/// device whose read waits.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::options()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// More than any file of a service's folder may have that is read here.
const MOST: u64 = 4 << 20;

/// The folders below `path`, by name.
fn list(path: &Path, degraded: &mut Vec<String>) -> BTreeSet<String> {
    let read = || -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    };
    read().unwrap_or_else(|error| {
        degraded.push(format!("listing {}: {}", path.display(), chain(&error)));
        BTreeSet::new()
    })
}
