//! Stage `devices`: which block device holds the system, which the state.
//!
//! `orlop run` gives its virtio disks the serials `orlop-system` and `orlop-state`. The system may
//! also be a file in the initramfs. The drivers were loaded in the stage before, and a disk that is
//! there is found at the first look; otherwise the kernel's uevents are waited for, bounded. A state
//! disk that `system.toml` names is found by `state_disk`. With `roothash=` on the command line the
//! system is on a slot of a disk, which `slot` finds.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use orlop_config::DiskName;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::slot::{self, Slot};
use super::state_disk::{self, StateDisk};
use crate::boot_info::BootInfo;
use crate::clock::boottime;
use crate::cmdline::{Cmdline, RootHash};
use crate::reaper::Reaper;
use crate::report::Report;
use crate::stage::{Done, Fatal};
use crate::watched::watch;
use orlop_config::compact::sort_by;

/// The system as a file in the initramfs.
pub const INITRAMFS_SYSTEM: &str = "/system.erofs";
const SYSTEM_SERIAL: &str = "orlop-system";
const STATE_SERIAL: &str = "orlop-state";
const DEADLINE: Duration = Duration::from_secs(10);

/// Where the system comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemSource {
    /// A block device.
    Disk(PathBuf),
    /// A file, to be mounted through a loop device.
    File(PathBuf),
    /// A slot of a disk, to be opened by this root hash.
    Slot(Slot, RootHash),
}

/// What the stage hands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices {
    /// The system.
    pub system: SystemSource,
    /// The state disk, or why there is none, one fragment.
    pub state: Result<StateDisk, String>,
}

/// Looks for the devices, waiting for the system's at most ten seconds (a minute for one on a slot),
/// and for a state disk that is named at most ten more.
///
/// # Errors
/// When no device and no file holds the system: names what was looked for and what is there.
pub async fn run(
    report: &Report,
    reaper: &Reaper,
    info: &BootInfo,
    cmdline: &Cmdline,
) -> Result<Done<Devices>, Fatal> {
    let mut done = match &cmdline.roothash {
        None => find_system().await?,
        Some(Ok(root)) => {
            let Done { value, degraded } = slot::find(report, reaper, info, root).await?;
            let value = Devices {
                state: Ok(StateDisk::BootDisk(Path::new("/dev").join(&value.disk))),
                system: SystemSource::Slot(value, root.clone()),
            };
            Done { value, degraded }
        }
        Some(Err(word)) => {
            let which = "the root hash of the system's slot, 64 hexadecimal digits";
            return Err(Fatal(format!(
                "roothash={word} of the kernel's command line is not {which}: {}",
                slot::REMEDY
            )));
        }
    };
    if let Some(text) = &info.state {
        let named = match DiskName::parse(text) {
            Ok(name) => state_disk::find(reaper, &name).await,
            Err(what) => Err(format!("the state disk {text:?} of boot.json {what}")),
        };
        done.value.state = named.map(|mut found| {
            done.degraded.append(&mut found.degraded);
            StateDisk::Named(found.value)
        });
    }
    Ok(done)
}

async fn find_system() -> Result<Done<Devices>, Fatal> {
    let file = Path::new(INITRAMFS_SYSTEM);
    if file.exists() {
        return Ok(Done::from(Devices {
            system: SystemSource::File(file.to_owned()),
            state: find_state(&disks()),
        }));
    }
    if let Some(devices) = choose(&disks()) {
        return Ok(Done::from(devices));
    }
    let deadline = boottime() + DEADLINE;
    // Opened before the next look, so that no disk slips in between.
    let uevents = orlop_sys::uevent::open()
        .ok()
        .and_then(|socket| watch(socket, Interest::READABLE).ok());
    loop {
        let found = disks();
        if let Some(devices) = choose(&found) {
            return Ok(Done::from(devices));
        }
        let left = deadline.saturating_sub(boottime());
        let waited = match &uevents {
            Some(uevents) => tokio::time::timeout(left, next_uevent(uevents))
                .await
                .is_ok(),
            None => false,
        };
        if !waited {
            return Err(Fatal(no_system(&found)));
        }
    }
}

/// The disks of a machine whose system is on one.
fn choose(found: &[Disk]) -> Option<Devices> {
    Some(Devices {
        system: SystemSource::Disk(find(SYSTEM_SERIAL, found)?),
        state: find_state(found),
    })
}

/// The state disk of `orlop run`.
fn find_state(found: &[Disk]) -> Result<StateDisk, String> {
    let disk = find(STATE_SERIAL, found).map(StateDisk::Made);
    disk.ok_or_else(|| "no state disk".to_owned())
}

/// Waits for the next uevent; for ever without a socket. True for a device that may want a driver.
pub(crate) async fn changed(uevents: Option<&AsyncFd<OwnedFd>>) -> bool {
    match uevents {
        Some(uevents) => next_uevent(uevents).await,
        None => std::future::pending().await,
    }
}

async fn next_uevent(socket: &AsyncFd<OwnedFd>) -> bool {
    while let Ok(mut ready) = socket.readable().await {
        let read = ready.try_io(|socket| {
            orlop_sys::uevent::receive(socket.get_ref().as_fd()).map_err(io::Error::from)
        });
        if let Ok(Ok(wants_driver)) = read {
            return wants_driver;
        }
    }
    // A socket that fails tells nothing more: the deadline decides.
    std::future::pending().await
}

/// A block device as sysfs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Disk {
    name: String,
    serial: String,
}

fn disks() -> Vec<Disk> {
    let Ok(entries) = fs::read_dir("/sys/block") else {
        return Vec::new();
    };
    let mut disks: Vec<Disk> = entries
        .flatten()
        .map(|entry| Disk {
            name: entry.file_name().to_string_lossy().into_owned(),
            // virtio_blk has the serial itself, NVMe its device.
            serial: ["serial", "device/serial"]
                .iter()
                .find_map(|file| fs::read_to_string(entry.path().join(file)).ok())
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
        .filter(|disk| !disk.name.starts_with("loop"))
        .collect();
    sort_by(&mut disks, |a, b| a.name.cmp(&b.name));
    disks
}

fn find(serial: &str, disks: &[Disk]) -> Option<PathBuf> {
    disks
        .iter()
        .find(|disk| disk.serial == serial)
        .map(|disk| Path::new("/dev").join(&disk.name))
}

fn no_system(found: &[Disk]) -> String {
    let list = match found {
        [] => "none".to_owned(),
        disks => disks
            .iter()
            .map(|disk| format!("{} (serial \"{}\")", disk.name, disk.serial))
            .collect::<Vec<_>>()
            .join(", "),
    };
    format!(
        "no system disk: no block device has the serial \"{SYSTEM_SERIAL}\" and the initramfs holds no \
         {INITRAMFS_SYSTEM}; block devices: {list}. Start the machine with `orlop run`, or give the \
         system.erofs to the VM as a virtio disk with that serial"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, serial: &str) -> Disk {
        Disk {
            name: name.to_owned(),
            serial: serial.to_owned(),
        }
    }

    #[test]
    fn a_disk_is_known_by_its_serial_not_by_its_letter() {
        let disks = [disk("vda", "orlop-state"), disk("vdb", "orlop-system")];
        assert_eq!(find(SYSTEM_SERIAL, &disks), Some(PathBuf::from("/dev/vdb")));
        assert_eq!(find(STATE_SERIAL, &disks), Some(PathBuf::from("/dev/vda")));
    }

    #[test]
    fn the_sentence_names_what_is_there() {
        assert!(no_system(&[]).contains("block devices: none"));
        assert!(no_system(&[disk("sda", "X")]).contains("sda (serial \"X\")"));
    }
}
