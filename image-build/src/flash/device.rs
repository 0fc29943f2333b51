//! The path that the person gave, to a disk that may be written to.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{major, minor};

use super::block::{Disk, Found, Number, Sysfs};
use super::loss::headline;
use super::refusal::{Refusal, refusal, too_small};
use super::uses::{self, mounts, swaps};

/// The disk at `given`, when it may be written to.
///
/// # Errors
/// One sentence: what is wrong with it, and what to do.
pub(super) fn free_disk(given: &Path) -> Result<Disk> {
    let sysfs = Sysfs(Path::new("/sys"));
    let number = block_device(given, sysfs)?;
    let disk = match sysfs.find(number)? {
        Found::Disk(disk) => *disk,
        Found::Partition { of } => bail!(
            "{} is a partition, and an image is a whole disk: give /dev/{of}",
            given.display()
        ),
    };
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("read {path}"));
    let mounts = mounts(&read("/proc/self/mountinfo")?);
    // A kernel without swap has no such file.
    let swaps = swaps(&fs::read_to_string("/proc/swaps").unwrap_or_default());
    let used = uses::find(&disk, &mounts, &swaps, |path| number_of(Path::new(path)));
    accepted(&disk, refusal(&disk, used))?;
    Ok(disk)
}

/// Whether an image of `needs` bytes fits.
///
/// # Errors
/// One sentence with both sizes.
pub(super) fn has_room(disk: &Disk, needs: u64) -> Result<()> {
    accepted(disk, too_small(disk, needs))
}

fn accepted(disk: &Disk, refusal: Option<Refusal>) -> Result<()> {
    match refusal {
        Some(refusal) => bail!("/dev/{}: {refusal}; nothing was written", disk.block.name),
        None => Ok(()),
    }
}

fn block_device(given: &Path, sysfs: Sysfs<'_>) -> Result<Number> {
    let shown = given.display();
    let found = match fs::metadata(given) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("there is no {shown}{}", others(sysfs))
        }
        Err(error) => return Err(error).with_context(|| format!("look at {shown}")),
    };
    if found.file_type().is_block_device() {
        return Ok((numeric(major(found.rdev())), numeric(minor(found.rdev()))));
    }
    if found.is_file() {
        bail!(
            "{shown} is a file, no disk; into a file an image goes by `cp` or `qemu-img convert`, \
             and `orlop run IMAGE` boots it without a disk"
        );
    }
    bail!("{shown} is no disk{}", others(sysfs))
}

/// Neither has more than 32 bits in Linux (MAJOR and MINOR of kdev_t.h).
fn numeric(part: u64) -> u32 {
    u32::try_from(part).unwrap_or(u32::MAX)
}

fn number_of(path: &Path) -> Option<Number> {
    let found = fs::metadata(path).ok()?;
    let number = (numeric(major(found.rdev())), numeric(minor(found.rdev())));
    found.file_type().is_block_device().then_some(number)
}

/// The disks that there are, for somebody who named none of them.
fn others(sysfs: Sysfs<'_>) -> String {
    let disks = sysfs.disks().unwrap_or_default();
    let lines: Vec<String> = disks.iter().map(headline).collect();
    match lines.is_empty() {
        true => "; there is no disk here".to_owned(),
        false => format!("; the disks here:\n  {}", lines.join("\n  ")),
    }
}

/// The disk for this program alone, past the kernel's cache: what is read back comes from the disk.
///
/// # Errors
/// With the command to use instead for somebody who may not, and when something uses the disk that
/// [`free_disk`] cannot see.
pub(super) fn open(disk: &Disk, again: &str) -> Result<File> {
    let path = path(disk);
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags((OFlag::O_EXCL | OFlag::O_DIRECT).bits())
        .open(&path);
    let error = match opened {
        Ok(file) => return Ok(file),
        Err(error) => error,
    };
    let shown = path.display();
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES | Errno::EPERM) => {
            bail!("{shown} may be written by root alone; run: sudo {again}")
        }
        Some(Errno::EBUSY) => bail!(
            "{shown} is in use, by another program or in another container; nothing was written"
        ),
        Some(Errno::EROFS) => {
            bail!("{shown}: it can only be read; a card or stick may have a switch that locks it")
        }
        _ => Err(error).with_context(|| format!("open {shown}")),
    }
}

/// Where the disk is.
pub(super) fn path(disk: &Disk) -> PathBuf {
    Path::new("/dev").join(&disk.block.name)
}

/// Whether the disk is still there.
pub(super) fn is_there(disk: &Disk) -> bool {
    matches!(
        Sysfs(Path::new("/sys")).find(disk.block.number),
        Ok(Found::Disk(found)) if found.block.bytes == disk.block.bytes
    )
}

/// The sizes in bytes of the partitions that the kernel knows on the disk now, by their numbers.
pub(super) fn partitions(disk: &Disk) -> Vec<u64> {
    match Sysfs(Path::new("/sys")).find(disk.block.number) {
        Ok(Found::Disk(found)) => found.partitions.iter().map(|one| one.bytes).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &Path) -> String {
        free_disk(path).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_disk_is_told_by_its_kind() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let shown = file.path().display();
        assert_eq!(
            said(file.path()),
            format!(
                "{shown} is a file, no disk; into a file an image goes by `cp` or `qemu-img \
                 convert`, and `orlop run IMAGE` boots it without a disk"
            )
        );
        let null = said(Path::new("/dev/null"));
        assert!(null.starts_with("/dev/null is no disk; "), "{null}");
        let none = said(Path::new("/dev/no such disk"));
        assert!(
            none.starts_with("there is no /dev/no such disk; "),
            "{none}"
        );
    }
}
