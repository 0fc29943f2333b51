//! The EFI system partition's files: what UEFI boots, what a BIOS boots, and what the workstation
//! reads of a machine.

use anyhow::{Context, Result};

use super::bios::Syslinux;
use super::uki::{self, Section};
use crate::tree::{Blob, Node, Tree};

/// Where UEFI looks on a disk that it was told nothing about.
pub const UKI: &str = "EFI/BOOT/BOOTX64.EFI";
/// The kernel and the initramfs once more, for a BIOS: SYSLINUX reads no PE sections.
pub const VMLINUZ: &str = "orlop/vmlinuz";
/// See [`VMLINUZ`].
pub const INITRAMFS: &str = "orlop/initramfs";
/// As in `build/`: name, ports and memory of the machine.
pub const BUILD_JSON: &str = "orlop/build.json";

/// What is booted.
#[derive(Debug)]
pub struct Parts<'a> {
    /// systemd's stub.
    pub stub: &'a [u8],
    /// The BIOS's boot loader.
    pub syslinux: &'a Syslinux,
    /// The machine's name.
    pub machine: &'a str,
    /// `uname -r` of the kernel.
    pub kernel_release: &'a str,
    /// The kernel.
    pub vmlinuz: &'a [u8],
    /// The disk's initramfs.
    pub initramfs: &'a [u8],
    /// The disk's kernel command line.
    pub cmdline: &'a str,
    /// The text of `build.json`.
    pub build_json: &'a str,
}

/// Puts them together.
///
/// # Errors
/// When the stub or the boot loader is not what is known here.
pub fn tree(parts: &Parts<'_>) -> Result<Tree> {
    let os_release = os_release(parts);
    // The kernel comes last: it may need memory behind it while it unpacks itself.
    let sections = [
        (".osrel", os_release.as_bytes()),
        (".uname", parts.kernel_release.as_bytes()),
        (".cmdline", parts.cmdline.as_bytes()),
        (".initrd", parts.initramfs),
        (".linux", parts.vmlinuz),
    ];
    let sections = sections.map(|(name, content)| Section { name, content });
    let uki = uki::append(parts.stub, &sections).context("make the unified kernel image")?;
    let mut tree = Tree::default();
    for (name, bytes) in [
        (UKI, uki.as_slice()),
        (VMLINUZ, parts.vmlinuz),
        (INITRAMFS, parts.initramfs),
        (BUILD_JSON, parts.build_json.as_bytes()),
    ] {
        tree.insert(name, Node::file(Blob::from_bytes(bytes), 0o644))?;
    }
    parts
        .syslinux
        .add_files(&mut tree, &syslinux_cfg(parts.cmdline))?;
    Ok(tree)
}

/// os-release(5), by which boot loaders name an entry.
fn os_release(parts: &Parts<'_>) -> String {
    let machine = parts.machine.replace(['"', '\\', '$', '`'], "");
    format!(
        "NAME=Orlop\nID=orlop\nPRETTY_NAME=\"Orlop ({machine})\"\nVERSION_ID={}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// No menu, no waiting, and nobody at the keyboard changes what is booted.
fn syslinux_cfg(cmdline: &str) -> String {
    format!(
        "DEFAULT orlop\nPROMPT 0\nNOESCAPE 1\nALLOWOPTIONS 0\n\
         LABEL orlop\n  LINUX /{VMLINUZ}\n  INITRD /{INITRAMFS}\n  APPEND {cmdline}\n"
    )
}
