//! The formats that `orlop build --format` makes, and how a raw disk becomes one of the others.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::disk_image::qemu_img::qemu_img;

/// How hard zstd tries: of a disk, speed counts.
const LEVEL: i32 = 9;

/// What a build is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// Only what `orlop run` boots directly; made in any case
    #[value(name = "kernel+initramfs")]
    #[serde(rename = "kernel+initramfs")]
    KernelInitramfs,
    /// Sector by sector, to be written to a disk or a USB stick
    Raw,
    /// For QEMU, KVM and what is made of them
    Qcow2,
    /// For VMware and VirtualBox
    Vmdk,
    /// For Hyper-V (generation 1) and Azure
    Vhd,
}

impl DiskFormat {
    /// The file's name in `build/`; none when it is no disk.
    ///
    /// # Errors
    /// When the format knows no compression.
    pub fn file_name(self, compress: bool) -> Result<Option<&'static str>> {
        Ok(match (self, compress) {
            (Self::KernelInitramfs, _) => None,
            (Self::Raw, false) => Some("disk.raw"),
            (Self::Raw, true) => Some("disk.raw.zst"),
            (Self::Qcow2, _) => Some("disk.qcow2"),
            (Self::Vmdk, _) => Some("disk.vmdk"),
            (Self::Vhd, false) => Some("disk.vhd"),
            (Self::Vhd, true) => bail!(
                "--compress: a vhd cannot be compressed, and no hypervisor reads a packed one; \
                 leave --compress out, or take --format raw, qcow2 or vmdk"
            ),
        })
    }

    /// What qemu-img is asked for.
    fn of_qemu(self, compress: bool) -> &'static [&'static str] {
        match (self, compress) {
            (Self::KernelInitramfs | Self::Raw, _) => &["-O", "raw"],
            (Self::Qcow2, false) => &["-O", "qcow2"],
            (Self::Qcow2, true) => &["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
            // ESXi wants to be told an adapter that it has.
            (Self::Vmdk, false) => &[
                "-O",
                "vmdk",
                "-o",
                "adapter_type=lsilogic,subformat=monolithicSparse",
            ],
            (Self::Vmdk, true) => &[
                "-O",
                "vmdk",
                "-o",
                "adapter_type=lsilogic,subformat=streamOptimized",
            ],
            // To the byte: a size that is rounded to old disks' cylinders would move the end, where
            // the backup of the partition table is.
            (Self::Vhd, _) => &["-O", "vpc", "-o", "subformat=dynamic,force_size=on"],
        }
    }

    /// Makes the file `to` of the raw disk `from`; what is there is replaced as a whole.
    ///
    /// # Errors
    /// When qemu-img is missing, or the file cannot be written.
    pub fn convert(self, compress: bool, from: &Path, to: &Path) -> Result<()> {
        let part = super::Unfinished::of(to);
        if (self, compress) == (Self::Raw, true) {
            pack(from, &part.path).with_context(|| format!("write {}", to.display()))?;
        } else {
            let words = ["convert", "-f", "raw"]
                .iter()
                .chain(self.of_qemu(compress));
            let words = words.map(OsString::from);
            let files = [from, &part.path].map(|path| path.as_os_str().to_owned());
            qemu_img(words.chain(files), to)?;
        }
        std::fs::rename(&part.path, to).with_context(|| format!("write {}", to.display()))
    }
}

/// By zstd, with a checksum.
fn pack(from: &Path, to: &Path) -> io::Result<()> {
    let mut raw = File::open(from)?;
    let mut out = zstd::Encoder::new(File::create(to)?, LEVEL)?;
    out.include_checksum(true)?;
    out.set_pledged_src_size(Some(raw.metadata()?.len()))?;
    io::copy(&mut raw, &mut out)?;
    out.finish().map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::disk::sparse::SparseFile;

    #[test]
    fn every_format_holds_the_same_disk() {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("disk.raw");
        let disk = SparseFile::create(&raw, 9 << 20).unwrap();
        disk.write_at(&[0x55; 70_001], 3 << 20).unwrap();
        // The last sector too: nothing may be cut off or added.
        disk.write_at(&[7; 512], (9 << 20) - 512).unwrap();
        for (format, compress, of_qemu) in [
            (DiskFormat::Qcow2, false, "qcow2"),
            (DiskFormat::Qcow2, true, "qcow2"),
            (DiskFormat::Vmdk, false, "vmdk"),
            (DiskFormat::Vmdk, true, "vmdk"),
            (DiskFormat::Vhd, false, "vpc"),
        ] {
            let name = format.file_name(compress).unwrap().unwrap();
            let path = folder.path().join(name);
            format.convert(compress, &raw, &path).unwrap();
            let output = Command::new("qemu-img")
                .args(["compare", "-f", "raw", "-F", of_qemu])
                .args([&raw, &path])
                .output()
                .unwrap();
            assert!(output.status.success(), "{format:?} {compress}: {output:?}");
        }
        let packed = folder.path().join("disk.raw.zst");
        DiskFormat::Raw.convert(true, &raw, &packed).unwrap();
        let unpacked = zstd::decode_all(File::open(&packed).unwrap()).unwrap();
        assert!(unpacked == std::fs::read(&raw).unwrap());
        assert!(std::fs::metadata(&packed).unwrap().len() < 10_000);
    }

    #[test]
    fn the_same_qcow2_comes_out_twice() {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("disk.raw");
        let disk = SparseFile::create(&raw, 5 << 20).unwrap();
        disk.write_at(&[0x55; 70_001], 3 << 20).unwrap();
        let [one, two] = ["one", "two"].map(|name| {
            let path = folder.path().join(name);
            DiskFormat::Qcow2.convert(false, &raw, &path).unwrap();
            std::fs::read(path).unwrap()
        });
        assert!(one == two);
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("disk.qcow2");
        let error = DiskFormat::Qcow2
            .convert(false, Path::new("/nowhere"), &to)
            .unwrap_err();
        assert!(error.to_string().contains("qemu-img says"), "{error:#}");
        std::fs::write(folder.path().join("disk.raw"), [1; 100]).unwrap();
        std::fs::create_dir(folder.path().join("disk.raw.zst")).unwrap();
        let (from, to) = ("disk.raw", "disk.raw.zst");
        let [from, to] = [from, to].map(|name| folder.path().join(name));
        DiskFormat::Raw.convert(true, &from, &to).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_vhd_is_not_compressed() {
        let error = DiskFormat::Vhd.file_name(true).unwrap_err().to_string();
        assert!(
            error.starts_with("--compress: a vhd cannot be compressed"),
            "{error}"
        );
    }
}
