//! Which disks a kernel can boot from: the drivers among its modules, and those built into it.

use anyhow::Result;

use super::order::{Found, Modules};

/// Drivers of disks and of what disks hang on in PCs and virtual machines, by their modules' names.
pub const DISK_DRIVERS: &[&str] = &[
    "virtio_blk",
    "virtio_scsi",
    "nvme",
    "sd_mod",
    "ahci",
    "ata_piix",
    "usb_storage",
    "uas",
    "xhci_pci",
    "ehci_pci",
    "mmc_block",
    "sdhci_pci",
    "sdhci_acpi",
    "hv_storvsc",
    "vmw_pvscsi",
    "mptspi",
    "mptsas",
    "mpt3sas",
    "megaraid_sas",
    "aacraid",
    "hpsa",
    "xen_blkfront",
];

/// Those of [`DISK_DRIVERS`] that the kernel has, without those that are not to be loaded.
pub(super) fn disk_drivers(blacklist: &[String], modules: &mut dyn Modules) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in DISK_DRIVERS {
        let there = match modules.look_up(name)? {
            Found::Module(_) => !blacklist.iter().any(|not| not == name),
            // Nothing keeps it from its devices.
            Found::BuiltIn => true,
            Found::Absent => false,
        };
        if there {
            found.push((*name).to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::modinfo::ModuleInfo;

    /// nvme is built in; virtio_blk and ahci are modules.
    struct Sample;

    impl Modules for Sample {
        fn look_up(&mut self, name: &str) -> Result<Found> {
            Ok(match name {
                "nvme" => Found::BuiltIn,
                "virtio_blk" | "ahci" => Found::Module(ModuleInfo {
                    name: name.to_owned(),
                    depends: Vec::new(),
                    soft_pre: Vec::new(),
                    alias: Vec::new(),
                }),
                _ => Found::Absent,
            })
        }

        fn providers(&mut self, _: &str) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn what_is_blacklisted_drives_no_disk_unless_it_is_built_in() {
        let found = disk_drivers(&[], &mut Sample).unwrap();
        assert_eq!(found, ["virtio_blk", "nvme", "ahci"]);
        let blacklist = ["nvme", "ahci"].map(str::to_owned);
        let found = disk_drivers(&blacklist, &mut Sample).unwrap();
        assert_eq!(found, ["virtio_blk", "nvme"]);
    }
}
