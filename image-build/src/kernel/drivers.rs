//! Drivers for devices that the build does not foresee: which of the kernel's modules the system
//! carries for them, and the two files by which the machine finds the one for a device.
//!
//! The files are depmod's (modules.dep(5), and `modules.alias` beside it), but flat: the machine has
//! one kernel, and its modules lie in one folder.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;

use super::modinfo::normalize;
use super::order::{Found, Modules, Wanted, order};

/// Folders and files of the kernel's tree whose drivers a host of containers may meet: disks and
/// what they hang on, network cards, USB, what hypervisors offer, consoles, watchdogs. No sound, no
/// graphics, no radio, no sensors: `[kernel] modules` names what else somebody wants.
const DRIVERS: &[&str] = &[
    "drivers/ata/",
    "drivers/block/virtio_blk",
    "drivers/block/xen-blkfront",
    "drivers/char/hw_random/",
    "drivers/char/ipmi/",
    "drivers/char/tpm/",
    "drivers/char/virtio_console",
    "drivers/hid/hid-generic",
    "drivers/hid/hid-hyperv",
    "drivers/hid/usbhid/",
    "drivers/hv/",
    "drivers/input/evdev",
    "drivers/input/keyboard/atkbd",
    "drivers/input/serio/hyperv-keyboard",
    "drivers/message/fusion/",
    "drivers/mfd/lpc_ich",
    "drivers/misc/pvpanic/",
    "drivers/misc/vmw",
    "drivers/mmc/",
    "drivers/net/ethernet/",
    "drivers/net/hyperv/",
    "drivers/net/mdio/",
    "drivers/net/phy/",
    "drivers/net/usb/",
    "drivers/net/virtio_net",
    "drivers/net/vmxnet3/",
    "drivers/net/xen-netfront",
    "drivers/nvdimm/",
    "drivers/nvme/host/",
    "drivers/pci/controller/",
    "drivers/scsi/",
    "drivers/tty/serial/",
    "drivers/usb/class/",
    "drivers/usb/core/",
    "drivers/usb/host/",
    "drivers/usb/serial/",
    "drivers/usb/storage/",
    "drivers/virtio/",
    "drivers/watchdog/",
    "net/vmw_vsock/",
];

/// Of these, what a disk may hang on: the initramfs of a disk carries them, since the system that
/// has all is still to be found.
const STORAGE: &[&str] = &[
    "drivers/ata/",
    "drivers/block/virtio_blk",
    "drivers/block/xen-blkfront",
    "drivers/hv/hv_vmbus",
    "drivers/message/fusion/",
    "drivers/mmc/",
    "drivers/nvme/host/nvme",
    "drivers/pci/controller/",
    "drivers/scsi/",
    "drivers/usb/core/",
    "drivers/usb/host/",
    "drivers/usb/storage/",
    "drivers/virtio/",
];

/// Of [`STORAGE`], what is left out: adapters of storage networks. They are half of it all by size,
/// and most want firmware files, which no image has.
const STORAGE_NETWORKS: &[&str] = &[
    "drivers/scsi/be2iscsi/",
    "drivers/scsi/bfa/",
    "drivers/scsi/bnx2fc/",
    "drivers/scsi/bnx2i/",
    "drivers/scsi/csiostor/",
    "drivers/scsi/cxgbi/",
    "drivers/scsi/fcoe/",
    "drivers/scsi/fnic/",
    "drivers/scsi/libfc/",
    "drivers/scsi/lpfc/",
    "drivers/scsi/qedf/",
    "drivers/scsi/qedi/",
    "drivers/scsi/qla2xxx/",
    "drivers/scsi/qla4xxx/",
    "drivers/scsi/snic/",
];

/// Which devices drivers are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriversFor {
    /// All that a host of containers may meet.
    System,
    /// Disks and what they hang on.
    Disks,
}

impl DriversFor {
    fn wants(self, path: &str) -> bool {
        match self {
            Self::System => is_in(path, DRIVERS),
            Self::Disks => is_in(path, STORAGE) && !is_in(path, STORAGE_NETWORKS),
        }
    }
}

/// What the system, or the initramfs of a disk, carries for unforeseen devices.
#[derive(Debug, Default)]
pub struct Drivers {
    /// `modules.alias`: `alias <pattern> <module>` a line.
    pub alias: String,
    /// `modules.dep`: `<module>.ko: <what it needs>.ko …` a line, what is to be loaded first last.
    pub dep: String,
    /// Every module that these files name.
    pub names: BTreeSet<String>,
}

/// The drivers among `modules` (their paths below the kernel's tree and names), without those that
/// are not to be loaded for a device.
///
/// # Errors
/// When a module's file cannot be read, or a dependency is missing.
pub fn drivers(
    wanted: DriversFor,
    paths: &[(String, String)],
    blacklist: &[String],
    modules: &mut dyn Modules,
) -> Result<Drivers> {
    let mut found = Drivers::default();
    for (path, name) in paths {
        if !wanted.wants(path) || blacklist.contains(name) {
            continue;
        }
        let Found::Module(info) = modules.look_up(name)? else {
            continue;
        };
        let before = found.alias.len();
        for alias in info.alias.iter().filter(|alias| is_of_a_bus(alias)) {
            writeln!(found.alias, "alias {alias} {name}")?;
        }
        if found.alias.len() > before {
            found.add(name, modules)?;
        }
    }
    Ok(found)
}

impl Drivers {
    /// One more module with all that it needs.
    fn add(&mut self, name: &str, modules: &mut dyn Modules) -> Result<()> {
        let wanted = Wanted {
            name,
            required: true,
        };
        let order = order(&[&[wanted]], modules)?.concat();
        write!(self.dep, "{name}.ko:")?;
        for needed in order.iter().rev().filter(|needed| *needed != name) {
            write!(self.dep, " {needed}.ko")?;
        }
        self.dep.push('\n');
        self.names.extend(order);
        Ok(())
    }
}

fn is_in(path: &str, places: &[&str]) -> bool {
    // Files are written with either of the two.
    let path = normalize(path);
    let mut places = places.iter();
    places.any(|place| path.starts_with(&normalize(place)))
}

/// Whether a device's modalias can match it: `pci:…`, not `fs-ext4` or `devname:net/tun`.
fn is_of_a_bus(alias: &str) -> bool {
    alias.contains(':') && !alias.starts_with("devname:") && !alias.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::kernel::modinfo::ModuleInfo;

    struct Sample(BTreeMap<String, ModuleInfo>);

    impl Modules for Sample {
        fn look_up(&mut self, name: &str) -> Result<Found> {
            let info = self.0.get(name).cloned();
            Ok(info.map_or(Found::Absent, Found::Module))
        }

        fn providers(&mut self, _: &str) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
    }

    fn sample() -> (Vec<(String, String)>, Sample) {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let module = |name: &str, depends: &[&str], alias: &[&str]| ModuleInfo {
            name: name.to_owned(),
            depends: owned(depends),
            soft_pre: Vec::new(),
            alias: owned(alias),
        };
        let files = [
            (
                "drivers/scsi/scsi_common.ko",
                module("scsi_common", &[], &[]),
            ),
            (
                "drivers/scsi/scsi_mod.ko",
                module("scsi_mod", &["scsi_common"], &[]),
            ),
            (
                "drivers/scsi/sd_mod.ko",
                module(
                    "sd_mod",
                    &["scsi_mod", "t10_pi"],
                    &["scsi:t-0x00*", "block-major-8-*"],
                ),
            ),
            ("lib/t10-pi.ko", module("t10_pi", &[], &[])),
            (
                "drivers/net/tun.ko",
                module("tun", &[], &["devname:net/tun"]),
            ),
            (
                "sound/pci/snd-ac97.ko",
                module("snd_ac97", &[], &["pci:v1*"]),
            ),
            (
                "drivers/net/vmxnet3/vmxnet3.ko",
                module("vmxnet3", &[], &["pci:v000015ADd*"]),
            ),
        ];
        let paths = files
            .iter()
            .map(|(path, info)| ((*path).to_owned(), info.name.clone()));
        let paths = paths.collect();
        let by_name = files.map(|(_, info)| (info.name.clone(), info));
        (paths, Sample(by_name.into()))
    }

    #[test]
    fn a_driver_comes_with_what_it_needs_in_depmods_order() {
        let (paths, mut modules) = sample();
        let found = drivers(DriversFor::System, &paths, &[], &mut modules).unwrap();
        assert_eq!(
            found.alias,
            "alias scsi:t-0x00* sd_mod\nalias pci:v000015ADd* vmxnet3\n"
        );
        assert_eq!(
            found.dep,
            "sd_mod.ko: t10_pi.ko scsi_mod.ko scsi_common.ko\nvmxnet3.ko:\n"
        );
        let names: Vec<&str> = found.names.iter().map(String::as_str).collect();
        assert_eq!(
            names,
            ["scsi_common", "scsi_mod", "sd_mod", "t10_pi", "vmxnet3"]
        );
    }

    #[test]
    fn a_disks_initramfs_has_no_network_cards() {
        let (paths, mut modules) = sample();
        let found = drivers(DriversFor::Disks, &paths, &[], &mut modules).unwrap();
        assert_eq!(found.alias, "alias scsi:t-0x00* sd_mod\n");
    }

    #[test]
    fn what_is_blacklisted_is_loaded_for_no_device() {
        let (paths, mut modules) = sample();
        let blacklist = ["vmxnet3", "scsi_mod"].map(str::to_owned);
        let found = drivers(DriversFor::System, &paths, &blacklist, &mut modules).unwrap();
        assert!(!found.alias.contains("vmxnet3"), "{}", found.alias);
        // For another module's sake it is (modprobe.d(5)).
        assert!(found.names.contains("scsi_mod"));
    }
}
