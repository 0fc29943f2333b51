//! The disks of `orlop build --format`: made of what the build made, and only when it changed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::boot_json;
use super::inputs::Inputs;
use super::output::Output;
use super::parts;
use crate::Built;
use crate::disk::bios::Syslinux;
use crate::disk::{self, Disk, DiskFormat, DiskReport, StateTemplate};
use crate::initramfs;
use crate::lock::{Owner, Pin};
use crate::packages::Packages;
use crate::progress::Progress;
use crate::tree::{Kind, Tree};

/// What a BIOS boots, and what UEFI.
const PACKAGES: [&str; 2] = ["syslinux", "systemd-boot-efi"];
/// What the other formats are made of.
const RAW: (DiskFormat, bool) = (DiskFormat::Raw, false);
/// systemd's stub in its package.
const STUB: &str = "/linuxx64.efi.stub";

/// Refuses what cannot be made, before anything is built.
///
/// # Errors
/// When a format knows no compression.
pub(super) fn check(formats: &[DiskFormat], compress: bool) -> Result<()> {
    let mut disks = 0;
    for format in formats {
        disks += usize::from(format.file_name(compress)?.is_some());
    }
    if compress && disks == 0 {
        bail!("--compress: there is no disk to compress; name one, such as --format raw");
    }
    Ok(())
}

/// Makes the disks that were asked for and are not there yet; their files are in `built` then.
///
/// # Errors
/// When a package cannot be had or a file not be written.
pub(super) fn make(
    inputs: &Inputs<'_>,
    packages: &mut Packages,
    output: &Output,
    built: &mut Built,
    progress: Progress,
) -> Result<()> {
    let compress = inputs.options.compress;
    let mut wanted = Vec::new();
    for format in &inputs.options.formats {
        if let Some(name) = format.file_name(compress)? {
            wanted.push((*format, output.path(name)));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let pins = loaders(inputs, packages)?;
    packages
        .lock()
        .save(&inputs.folder.path.join("orlop.lock"))?;
    let digest = digest(built, &pins);
    let known = DiskReport::load(&output.folder);
    let is_current = known
        .as_ref()
        .is_some_and(|known| known.inputs_sha256 == digest);
    let (known, old) = if is_current {
        (known, None)
    } else {
        (None, known)
    };
    let is_there = |format: DiskFormat, compress: bool| {
        known
            .as_ref()
            .is_some_and(|known| known.has(format, compress))
    };
    built.disks = wanted.iter().map(|(_, path)| path.clone()).collect();
    wanted.retain(|(format, path)| {
        let there = is_there(*format, compress);
        if there {
            progress.step(&format!("{} is up to date", path.display()));
        }
        !there
    });
    if wanted.is_empty() {
        return Ok(());
    }
    let raw_is_there = is_there(RAW.0, RAW.1);
    DiskReport::remove(&output.folder)?;
    for file in old.iter().flat_map(|old| &old.files) {
        // Of another machine than the one beside it.
        remove(&output.path(&file.file))?;
    }
    let is_asked_for = wanted.iter().any(|(format, _)| (*format, compress) == RAW);
    let raw = output.path("disk.raw");
    // A machine may keep its state in a disk.raw that is there: unasked none is written over it.
    let unasked = disk::Unfinished::of(&output.path("disk.raw.unasked"));
    let raw = match raw_is_there || is_asked_for {
        true => &raw,
        false => &unasked.path,
    };
    if is_asked_for && known.is_some() && raw.exists() {
        let raw = raw.display();
        progress.warn(&format!(
            "{raw} was written to since it was built; it is made anew"
        ));
    }
    let mut report = match known {
        Some(known) if raw_is_there => known,
        known => {
            progress.step("write disk.raw");
            packages.fetch(&inputs.checked.machine.kernel.suite, &pins)?;
            let mut made = write_raw(inputs, packages, &pins, built, &digest, raw)?;
            made.files = known.map(|known| known.files).unwrap_or_default();
            made
        }
    };
    for (format, path) in &wanted {
        if (*format, compress) != RAW {
            progress.step(&format!("write {}", name_of(path)));
            format.convert(compress, raw, path)?;
        }
        report.add(*format, compress, path)?;
    }
    report.save(&output.folder)?;
    progress.step(&report.summary());
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("remove {}", path.display()))
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The packages of the boot loaders.
fn loaders(inputs: &Inputs<'_>, packages: &mut Packages) -> Result<Vec<Pin>> {
    let suite = &inputs.checked.machine.kernel.suite;
    let requested = PACKAGES.map(str::to_owned);
    packages
        .pinned(Owner::Disk, suite, &requested, |root| {
            let mut found = root.closure(&requested)?;
            // What their programs need is not needed: none of them runs.
            found.retain(|package| PACKAGES.contains(&package.name.as_str()));
            Ok(found)
        })
        .context("the boot loaders of disks")
}

/// SHA-256 over what the disk is made from: what the build was made from, and the boot loaders.
fn digest(built: &Built, pins: &[Pin]) -> String {
    let mut hasher = Sha256::new_with_prefix(&built.info.inputs_sha256);
    for pin in pins {
        hasher.update(&pin.sha256);
    }
    hex::encode(hasher.finalize())
}

fn write_raw(
    inputs: &Inputs<'_>,
    packages: &mut Packages,
    pins: &[Pin],
    built: &Built,
    digest: &str,
    path: &Path,
) -> Result<DiskReport> {
    let mut files = Tree::default();
    for pin in pins {
        let wanted = |name: &str| {
            name.ends_with("/gptmbr.bin") || name.ends_with("bin/syslinux") || name.ends_with(STUB)
        };
        packages.open(pin)?.extract(&mut files, wanted)?;
    }
    let stub = files.iter().find(|(name, _)| name.ends_with(STUB));
    let stub = match stub.map(|(_, node)| &node.kind) {
        Some(Kind::File(blob)) => blob.read().context("read systemd's stub")?,
        _ => bail!("Debian's package systemd-boot-efi has no {STUB}"),
    };
    let parts::BootParts {
        kernel, busybox, ..
    } = parts::boot_parts(inputs, packages)?;
    let boot_json = boot_json(inputs, &kernel, built.info.min_memory_mib)?;
    let tree = disk::initramfs::tree(
        initramfs::Parts {
            init: inputs.init.clone(),
            busybox,
            boot_json: &boot_json,
            kernel: &kernel,
            system: None,
        },
        &inputs.program,
    )?;
    let build_json =
        fs::read_to_string(built.system.with_file_name("build.json")).context("read build.json")?;
    let parts = disk::Parts {
        info: &built.info,
        build_json: &build_json,
        system: &built.system,
        vmlinuz: &kernel.vmlinuz.read().context("read the kernel")?,
        initramfs: &disk::initramfs::archive(&tree)?,
        stub: &stub,
        syslinux: &Syslinux::of_package(&files)?,
        state: &StateTemplate::make(kernel.epoch)?,
    };
    let disk = Disk::plan(&parts)?;
    disk.write(path)?;
    Ok(disk.report(digest))
}
