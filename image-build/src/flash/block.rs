//! What the kernel says of a block device: sysfs, as Documentation/ABI/stable/sysfs-block has it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Major and minor number of a device.
pub(super) type Number = (u32, u32);

/// Why a device's place in sysfs cannot be read.
#[derive(Debug, Error)]
pub(super) enum SysfsError {
    #[error("look at {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} says {text:?}, which is no number")]
    Number { path: PathBuf, text: String },
}

/// A block device: a disk, a partition, or what is made of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// As below `/dev`.
    pub(super) name: String,
    /// What people call it: of a device-mapper volume, `mapper/NAME`.
    pub(super) called: String,
    pub(super) number: Number,
    pub(super) bytes: u64,
    /// RAID arrays and device-mapper volumes on it, with their partitions.
    pub(super) holders: Vec<Block>,
}

/// A whole disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) block: Block,
    pub(super) partitions: Vec<Block>,
    pub(super) read_only: bool,
    /// Bytes of a logical sector.
    pub(super) sector: u64,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    /// The drivers of the disk, of what it hangs on, and so on, by their modules' names.
    pub(super) drivers: Vec<String>,
}

/// What a device number stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Disk(Box<Disk>),
    /// A partition of the disk of this name.
    Partition {
        of: String,
    },
}

/// Where sysfs is mounted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sysfs<'a>(pub(super) &'a Path);

impl Sysfs<'_> {
    /// The device with this number.
    pub(super) fn find(self, (major, minor): Number) -> Result<Found, SysfsError> {
        let link = self.0.join(format!("dev/block/{major}:{minor}"));
        let folder = link.canonicalize().map_err(|source| SysfsError::Read {
            path: link.clone(),
            source,
        })?;
        if folder.join("partition").exists() {
            let of = folder.parent().map(name_of).unwrap_or_default();
            return Ok(Found::Partition { of });
        }
        self.disk(&folder).map(|disk| Found::Disk(Box::new(disk)))
    }

    /// Every disk with something in it that is a device of its own, by name.
    pub(super) fn disks(self) -> Result<Vec<Disk>, SysfsError> {
        let mut disks = Vec::new();
        for name in list(&self.0.join("block"))? {
            let folder = self.0.join("block").join(name);
            // Loop devices, RAM disks and what is made of disks hang on nothing.
            if folder.join("device").exists() {
                disks.push(self.disk(&folder.canonicalize().unwrap_or(folder))?);
            }
        }
        disks.retain(|disk| disk.block.bytes > 0);
        Ok(disks)
    }

    fn disk(self, folder: &Path) -> Result<Disk, SysfsError> {
        let mut partitions = Vec::new();
        for entry in list(folder)? {
            let below = folder.join(entry);
            if below.join("partition").exists() {
                partitions.push(self.block(&below)?);
            }
        }
        partitions.sort_by_key(|partition| partition.number);
        let hangs = folder.join("device").canonicalize().ok();
        let above: Vec<&Path> = hangs.iter().flat_map(|path| path.ancestors()).collect();
        Ok(Disk {
            block: self.block(folder)?,
            partitions,
            read_only: number(&folder.join("ro"))? != 0,
            sector: number(&folder.join("queue/logical_block_size"))?,
            model: model(folder),
            serial: serial(folder, &above),
            drivers: above.iter().filter_map(|path| driver(path)).collect(),
        })
    }

    fn block(self, folder: &Path) -> Result<Block, SysfsError> {
        let name = name_of(folder);
        let mut holders = Vec::new();
        for holder in list(&folder.join("holders"))? {
            let there = self.0.join("class/block").join(&holder);
            holders.push(self.block(&there)?);
            // A RAID array may have partitions of its own.
            for entry in list(&there)? {
                let below = there.join(entry);
                if below.join("partition").exists() {
                    holders.push(self.block(&below)?);
                }
            }
        }
        let mapped = text(&folder.join("dm/name"));
        Ok(Block {
            called: mapped.map_or_else(|| name.clone(), |mapped| format!("mapper/{mapped}")),
            number: numbers(&folder.join("dev"))?,
            // In 512 bytes, whatever the disk's sectors.
            bytes: number(&folder.join("size"))?.saturating_mul(512),
            name,
            holders,
        })
    }
}

impl Disk {
    /// The disk, its partitions, and all that is made of them.
    pub(super) fn family(&self) -> Vec<&Block> {
        let mut family = vec![&self.block];
        family.extend(&self.partitions);
        let mut at = 0;
        while let Some(block) = family.get(at) {
            family.extend(&block.holders);
            at += 1;
        }
        family
    }
}

fn model(folder: &Path) -> Option<String> {
    let device = folder.join("device");
    let model = text(&device.join("model")).or_else(|| text(&device.join("name")))?;
    // Of a virtio device, the vendor is a number.
    let vendor =
        text(&device.join("vendor")).filter(|vendor| !vendor.starts_with("0x") && vendor != "ATA");
    Some(match vendor {
        Some(vendor) => format!("{vendor} {model}"),
        None => model,
    })
}

/// The disk's own, that of its SCSI page 0x80, or that of the USB device it is in.
fn serial(folder: &Path, above: &[&Path]) -> Option<String> {
    let page = || {
        let page = fs::read(folder.join("device/vpd_pg80")).ok()?;
        let text = String::from_utf8_lossy(page.get(4..)?).into_owned();
        clean(&text)
    };
    let of_above = || above.iter().find_map(|path| text(&path.join("serial")));
    text(&folder.join("serial")).or_else(page).or_else(of_above)
}

/// Drivers and modules have different names here and there.
fn driver(device: &Path) -> Option<String> {
    let target = fs::read_link(device.join("driver")).ok()?;
    let name = name_of(&target).replace('-', "_");
    Some(match name.as_str() {
        "sd" => "sd_mod".to_owned(),
        "mmcblk" => "mmc_block".to_owned(),
        "vbd" => "xen_blkfront".to_owned(),
        "storvsc" => "hv_storvsc".to_owned(),
        "xhci_hcd" => "xhci_pci".to_owned(),
        _ => name,
    })
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().map(OsStr::to_string_lossy);
    // In sysfs, a slash of a device's name is an exclamation mark.
    name.unwrap_or_default().replace('!', "/")
}

/// The names in a folder, sorted; none when there is no such folder.
fn list(folder: &Path) -> Result<Vec<String>, SysfsError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries,
    };
    let names = entries.and_then(|entries| {
        let name =
            |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<io::Result<Vec<String>>>()
    });
    let mut names = names.map_err(|source| SysfsError::Read {
        path: folder.to_owned(),
        source,
    })?;
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<String, SysfsError> {
    fs::read_to_string(path).map_err(|source| SysfsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn number(path: &Path) -> Result<u64, SysfsError> {
    let text = read(path)?;
    text.trim().parse().map_err(|_| SysfsError::Number {
        path: path.to_owned(),
        text,
    })
}

fn numbers(path: &Path) -> Result<Number, SysfsError> {
    let text = read(path)?;
    super::uses::number(text.trim()).ok_or_else(|| SysfsError::Number {
        path: path.to_owned(),
        text,
    })
}

/// A short text that may be missing or empty.
fn text(path: &Path) -> Option<String> {
    clean(&fs::read_to_string(path).ok()?)
}

/// Without what would move a terminal's cursor: a device says what it wants.
fn clean(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A sysfs as a test writes it.
    pub(crate) struct Written(pub(crate) tempfile::TempDir);

    impl Written {
        pub(crate) fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        pub(crate) fn file(&self, path: &str, text: &str) -> &Self {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        pub(crate) fn link(&self, path: &str, to: &str) -> &Self {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(self.0.path().join(to), path).unwrap();
            self
        }

        /// A block device in `folder`.
        pub(crate) fn block(&self, folder: &str, dev: &str, sectors: u64) -> &Self {
            let name = folder.rsplit('/').next().unwrap();
            self.file(&format!("{folder}/dev"), &format!("{dev}\n"))
                .file(&format!("{folder}/size"), &format!("{sectors}\n"))
                .file(&format!("{folder}/ro"), "0\n")
                .file(&format!("{folder}/queue/logical_block_size"), "512\n")
                .link(&format!("dev/block/{dev}"), folder)
                .link(&format!("class/block/{name}"), folder)
        }
    }

    const USB: &str = "devices/usb1/1-1";
    const SDB: &str = "devices/usb1/1-1/host0/target/0:0:0:0/block/sdb";

    /// A USB stick sdb whose second partition is a dm-crypt volume.
    pub(crate) fn stick() -> Written {
        let sys = Written::new();
        sys.block(SDB, "8:16", 1000)
            .block(&format!("{SDB}/sdb2"), "8:18", 300)
            .block(&format!("{SDB}/sdb1"), "8:17", 500)
            .block("devices/virtual/block/dm-0", "254:0", 290)
            .file(&format!("{SDB}/sdb1/partition"), "1\n")
            .file(&format!("{SDB}/sdb2/partition"), "2\n")
            .file("devices/virtual/block/dm-0/dm/name", "secret\n")
            .file(&format!("{SDB}/sdb2/holders/dm-0/x"), "")
            .file(&format!("{USB}/serial"), "4C53\n")
            .link(
                &format!("{SDB}/device"),
                "devices/usb1/1-1/host0/target/0:0:0:0",
            )
            .file(
                "devices/usb1/1-1/host0/target/0:0:0:0/model",
                "Ultra  \x1b[2J\n",
            )
            .file("devices/usb1/1-1/host0/target/0:0:0:0/vendor", "SanDisk \n")
            .link(
                "devices/usb1/1-1/host0/target/0:0:0:0/driver",
                "bus/scsi/drivers/sd",
            )
            .link(&format!("{USB}/driver"), "bus/usb/drivers/usb-storage")
            .link("block/sdb", SDB)
            .link("block/dm-0", "devices/virtual/block/dm-0");
        sys
    }

    #[test]
    fn a_disk_is_read_with_its_partitions_and_what_is_made_of_them() {
        let sys = stick();
        let Found::Disk(disk) = Sysfs(sys.0.path()).find((8, 16)).unwrap() else {
            panic!("no disk");
        };
        assert_eq!(disk.block.bytes, 512_000);
        assert_eq!(disk.model.as_deref(), Some("SanDisk Ultra  [2J"));
        assert_eq!(disk.serial.as_deref(), Some("4C53"));
        assert_eq!(disk.drivers, ["sd_mod", "usb_storage"]);
        assert_eq!((disk.sector, disk.read_only), (512, false));
        let names: Vec<_> = disk.family().iter().map(|b| b.called.clone()).collect();
        assert_eq!(names, ["sdb", "sdb1", "sdb2", "mapper/secret"]);
    }

    #[test]
    fn a_partition_names_its_disk() {
        let sys = stick();
        let found = Sysfs(sys.0.path()).find((8, 17)).unwrap();
        let of = "sdb".to_owned();
        assert_eq!(found, Found::Partition { of });
        let error = Sysfs(sys.0.path()).find((8, 99)).unwrap_err().to_string();
        assert!(error.ends_with("dev/block/8:99"), "{error}");
    }

    #[test]
    fn only_what_hangs_on_something_is_listed() {
        let sys = stick();
        let disks = Sysfs(sys.0.path()).disks().unwrap();
        let names: Vec<_> = disks.iter().map(|disk| disk.block.name.as_str()).collect();
        assert_eq!(names, ["sdb"]);
    }
}
