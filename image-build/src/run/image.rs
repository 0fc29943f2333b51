//! The disk image of `orlop run IMAGE`: whether it can be run as it is asked for, and its lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{DiskBus, Memory, RunOptions};
use crate::disk_image::{self, DiskImage, Format};

/// An image that is about to run; locked until it is dropped.
#[derive(Debug)]
pub(super) struct ImageDisk {
    pub(super) image: DiskImage,
    pub(super) bus: DiskBus,
    /// The image stays as it is: what the machine writes is thrown away.
    pub(super) snapshot: bool,
    _lock: File,
}

impl ImageDisk {
    /// Opens the image, and makes its disk larger when that is asked for.
    ///
    /// # Errors
    /// When it is none, when another machine writes to it, or an option makes no sense with it.
    pub(super) fn open(path: &Path, options: &RunOptions) -> Result<Self> {
        if let Some(option) = of_a_folder(options) {
            bail!(
                "{option} is for a machine's folder, and {} is a file: a disk image is run as it \
                 was built",
                path.display()
            );
        }
        let image = DiskImage::open(path)?;
        let snapshot = options.fresh || !is_writable(image.format);
        let lock = lock(&image.path, snapshot)?;
        if let Some(size) = options.disk_size {
            grow(&image, size)?;
        }
        Ok(Self {
            image,
            bus: options.disk.unwrap_or(DiskBus::Virtio),
            snapshot,
            _lock: lock,
        })
    }

    /// What the person should know before the machine starts.
    pub(super) fn warnings(&self, fresh: bool) -> Vec<String> {
        let (path, info) = (self.image.path.display(), &self.image.info);
        let mut warnings = Vec::new();
        if self.snapshot && !fresh {
            warnings.push(format!(
                "{path} is a VMDK for transport, which cannot be written to: what the machine \
                 keeps is lost when it ends"
            ));
        }
        if let Some(driver) = missing(self.bus, &info.disk_drivers) {
            warnings.push(format!(
                "{path}: its kernel {} has no driver {driver} and will not find this disk; build \
                 it with `[kernel]` `debian = \"linux-image-amd64\"` in system.toml",
                info.kernel_release
            ));
        }
        warnings
    }
}

/// The first driver of the bus that the image's kernel lacks.
fn missing(bus: DiskBus, there: &[String]) -> Option<&'static str> {
    let mut needed = bus.drivers().iter().copied();
    needed.find(|driver| !there.iter().any(|name| name == driver))
}

/// An option that was given and has no meaning for an image.
fn of_a_folder(options: &RunOptions) -> Option<&'static str> {
    let given = [
        (options.state.is_some(), "--state"),
        (options.no_state, "--no-state"),
        (options.kernel.is_some(), "--kernel"),
        (options.initramfs_system, "--initramfs-system"),
        (options.append.is_some(), "--append"),
        (options.keep_going, "--keep-going"),
        (options.no_build, "--no-build"),
        (options.runtime.is_some(), "--runtime"),
    ];
    let mut given = given.into_iter().filter(|(is, _)| *is);
    given.next().map(|(_, option)| option)
}

fn is_writable(format: Format) -> bool {
    let transport = Format::Vmdk {
        stream_optimized: true,
    };
    format != transport
}

/// Several machines may read one image; one that writes wants it alone.
fn lock(path: &Path, shared: bool) -> Result<File> {
    let file = OpenOptions::new().read(true).write(!shared).open(path);
    let file = file.with_context(|| match shared {
        true => format!("open {}", path.display()),
        false => format!(
            "open {} for writing; with --fresh it is only read",
            path.display()
        ),
    })?;
    let locked = match shared {
        true => file.try_lock_shared(),
        false => file.try_lock(),
    };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("{} is in use by a machine that runs", path.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("lock {}", path.display()))
        }
    }
}

fn grow(image: &DiskImage, size: Memory) -> Result<()> {
    let path = image.path.display();
    match image.format {
        Format::Raw | Format::Qcow2 => {}
        format => bail!(
            "--disk-size: a {format} cannot grow; make a qcow2 of it: qemu-img convert -O qcow2 \
             {path} disk.qcow2"
        ),
    }
    let least = (image.table.sectors() * disk_image::gpt::SECTOR).div_ceil(1 << 20);
    if size.mib < least {
        bail!("--disk-size: {path} has {least} MiB already, and a disk does not shrink");
    }
    disk_image::grow(&image.path, image.format, size.mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `orlop run` as it is typed.
    #[derive(clap::Parser)]
    struct Typed {
        #[command(flatten)]
        options: RunOptions,
    }

    fn refusal(path: &Path, words: &[&str]) -> String {
        let words = ["run"].iter().chain(words);
        let typed = <Typed as clap::Parser>::try_parse_from(words).unwrap();
        let error = ImageDisk::open(path, &typed.options).unwrap_err();
        error.to_string()
    }

    #[test]
    fn what_is_for_a_folder_and_a_size_that_cannot_be_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("disk.raw");
        let shown = raw.display();
        let info = serde_json::to_string(&disk_image::tests::sample_info()).unwrap();
        std::fs::write(&raw, disk_image::tests::sample(&info)).unwrap();
        assert_eq!(
            refusal(&raw, &["--append", "quiet"]),
            format!(
                "--append is for a machine's folder, and {shown} is a file: a disk image is run as \
                 it was built"
            )
        );
        assert_eq!(
            refusal(&raw, &["--disk-size", "2M"]),
            format!("--disk-size: {shown} has 4 MiB already, and a disk does not shrink")
        );
        let vhd = folder.path().join("disk.vhd");
        let made = std::process::Command::new("qemu-img")
            .args(["convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on"])
            .args([&raw, &vhd])
            .status();
        assert!(made.unwrap().success());
        let shown = vhd.display();
        assert_eq!(
            refusal(&vhd, &["--disk-size", "8M"]),
            format!(
                "--disk-size: a vhd cannot grow; make a qcow2 of it: qemu-img convert -O qcow2 \
                 {shown} disk.qcow2"
            )
        );
    }

    #[test]
    fn a_raw_disk_grows() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let info = serde_json::to_string(&disk_image::tests::sample_info()).unwrap();
        std::fs::write(file.path(), disk_image::tests::sample(&info)).unwrap();
        let words = ["run", "--disk-size", "8M"];
        let typed = <Typed as clap::Parser>::try_parse_from(words).unwrap();
        ImageDisk::open(file.path(), &typed.options).unwrap();
        assert_eq!(file.as_file().metadata().unwrap().len(), 8 << 20);
    }

    #[test]
    fn the_cloud_kernel_finds_no_sata_disk() {
        let cloud = ["virtio_blk", "virtio_scsi", "nvme", "sd_mod"].map(str::to_owned);
        assert_eq!(missing(DiskBus::Ahci, &cloud), Some("ahci"));
        for bus in [DiskBus::Virtio, DiskBus::Nvme, DiskBus::Scsi] {
            assert_eq!(missing(bus, &cloud), None, "{bus:?}");
        }
    }

    #[test]
    fn an_image_is_written_by_one_machine_or_read_by_several() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        let reads = [lock(path, true).unwrap(), lock(path, true).unwrap()];
        let sentence = format!("{} is in use by a machine that runs", path.display());
        assert_eq!(lock(path, false).unwrap_err().to_string(), sentence);
        drop(reads);
        let _writes = lock(path, false).unwrap();
        assert_eq!(lock(path, true).unwrap_err().to_string(), sentence);
    }
}
