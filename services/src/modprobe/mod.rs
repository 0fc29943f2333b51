//! Applet `modprobe`: loads drivers for the devices that have none. PID 1 runs it once the boot is
//! over, and whenever the kernel has told of a new device.
//!
//! Not in a container, but with one capability, CAP_SYS_MODULE. What is loaded comes from the system
//! image alone, which `orlop build` has filled; which devices there are says the kernel's sysfs, all
//! at once: an event that was lost costs nothing. Nobody else is asked, and no request of a container
//! leads here.

mod index;
mod pattern;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use index::Index;

/// Where `orlop build` puts modules, and the two files that say which one a device wants.
const MODULES: &str = "/lib/modules";
/// Devices by the bus that they are on.
const BUSES: &str = "/sys/bus";
/// Modules that are loaded or built in.
const LOADED: &str = "/sys/module";

/// Why it loads nothing at all.
#[derive(Debug, thiserror::Error)]
pub enum ModprobeError {
    /// One of the index's files.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Loads what is wanted and not there. A module that does not load is said in the kernel's log, and
/// keeps none of the others.
///
/// # Errors
/// When the index cannot be read.
pub fn run() -> Result<(), ModprobeError> {
    let read = |name: &str| {
        let path = Path::new(MODULES).join(name);
        fs::read_to_string(&path).map_err(|source| ModprobeError::Read { path, source })
    };
    let (alias, dep) = (read("modules.alias")?, read("modules.dep")?);
    let index = Index::parse(&alias, &dep);
    let mut tried = BTreeSet::new();
    for modalias in without_driver(Path::new(BUSES)) {
        for module in index.modules_for(&modalias) {
            for name in index.load_order(module) {
                if !tried.insert(name) || Path::new(LOADED).join(name).exists() {
                    continue;
                }
                let record = match load(name) {
                    Ok(()) | Err(Errno::EEXIST) => {
                        format!("<6>orlop: modprobe: {name} for {modalias}\n")
                    }
                    Err(errno) => {
                        format!("<4>orlop: modprobe: {name} for {modalias}: {errno}\n")
                    }
                };
                orlop_sys::kmsg::write(&record);
            }
        }
    }
    Ok(())
}

/// The modaliases of all devices that no driver has taken; each once, in order.
fn without_driver(buses: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for bus in entries(buses) {
        for device in entries(&bus.join("devices")) {
            // A device may go while it is looked at.
            if !device.join("driver").exists()
                && let Ok(modalias) = fs::read_to_string(device.join("modalias"))
            {
                found.insert(modalias.trim_end().to_owned());
            }
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

fn load(name: &str) -> Result<(), Errno> {
    let path = Path::new(MODULES).join(format!("{name}.ko"));
    let file = File::open(path).map_err(|error| {
        let errno = error.raw_os_error();
        errno.map_or(Errno::EIO, Errno::from_raw)
    })?;
    orlop_sys::module::load(file.as_fd(), c"")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_devices_without_a_driver_are_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let devices = root.path().join("pci/devices");
        for (name, modalias) in [("a", "pci:v1\n"), ("b", "pci:v2\n"), ("c", "pci:v1\n")] {
            fs::create_dir_all(devices.join(name)).unwrap();
            fs::write(devices.join(name).join("modalias"), modalias).unwrap();
        }
        fs::create_dir_all(devices.join("without-modalias")).unwrap();
        symlink("..", devices.join("b/driver")).unwrap();
        let found: Vec<String> = without_driver(root.path()).into_iter().collect();
        assert_eq!(found, ["pci:v1"]);
    }
}
