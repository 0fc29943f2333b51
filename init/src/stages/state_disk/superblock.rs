//! What an ext4 says of itself: its label and its UUID. Pure but for the one read.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use orlop_config::DiskName;

/// Where the superblock is, and as much of it as is looked at (fs/ext4/ext4.h, `ext4_super_block`).
const OFFSET: u64 = 1024;
const LENGTH: usize = 0x88;
const MAGIC: (usize, [u8; 2]) = (0x38, [0x53, 0xef]);
const UUID: usize = 0x68;
const LABEL: usize = 0x78;
const STATE: usize = 0x3a;
/// EXT4_ERROR_FS: the kernel has met an error.
const ERRORS: u8 = 2;
/// The second byte of s_feature_ro_compat: EXT4_FEATURE_RO_COMPAT_QUOTA.
const RO_COMPAT: usize = 0x65;
const QUOTA: u8 = 1;

/// Whether the ext4 on a device is called so; false where none is. Waits for the disk: for a forked
/// child.
///
/// # Errors
/// When nothing can be told yet: the errno of open(2) or pread(2), EIO for a device that is too short,
/// as one without a medium is.
pub(super) fn is_called(device: &Path, name: &DiskName) -> Result<bool, Errno> {
    Ok(says(&read(device)?, name))
}

/// What decides how it is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// The kernel has met errors in it.
    pub(super) has_errors: bool,
    /// It keeps account of what projects use, for which the kernel wants a module.
    pub(super) has_quota: bool,
}

impl Facts {
    /// Waits for the disk: for a forked child.
    ///
    /// # Errors
    /// As [`is_called`], and EMEDIUMTYPE when no ext4 is there.
    pub(super) fn read(device: &Path) -> Result<Self, Errno> {
        let superblock = read(device)?;
        let at = |offset: usize| superblock.get(offset).copied().unwrap_or_default();
        match is_ext4(&superblock) {
            true => Ok(Self {
                has_errors: at(STATE) & ERRORS != 0,
                has_quota: at(RO_COMPAT) & QUOTA != 0,
            }),
            false => Err(Errno::EMEDIUMTYPE),
        }
    }
}

fn read(device: &Path) -> Result<[u8; LENGTH], Errno> {
    let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let mut superblock = [0; LENGTH];
    let file = File::open(device).map_err(errno)?;
    file.read_exact_at(&mut superblock, OFFSET).map_err(errno)?;
    Ok(superblock)
}

fn is_ext4(superblock: &[u8; LENGTH]) -> bool {
    let (magic, bytes) = MAGIC;
    superblock.get(magic..magic + bytes.len()) == Some(&bytes)
}

fn says(superblock: &[u8; LENGTH], name: &DiskName) -> bool {
    let at = |offset: usize, length: usize| superblock.get(offset..offset + length);
    is_ext4(superblock)
        && match name {
            DiskName::Uuid(uuid) => at(UUID, uuid.len()) == Some(uuid),
            DiskName::Label(label) => {
                let mut padded = label.as_bytes().to_vec();
                padded.resize(16, 0);
                at(LABEL, padded.len()) == Some(&padded)
            }
            DiskName::Node(_) => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn label_and_uuid_are_read_as_mke2fs_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        File::create(&disk).unwrap().set_len(8 << 20).unwrap();
        let uuid = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
        let name = |text: &str| DiskName::parse(text).unwrap();
        assert_eq!(is_called(&disk, &name("LABEL=data")), Ok(false));
        let made = Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-L", "data", "-U", uuid])
            .arg(&disk)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .status();
        assert!(made.unwrap().success());
        for right in ["LABEL=data", &format!("UUID={uuid}")] {
            assert_eq!(is_called(&disk, &name(right)), Ok(true), "{right}");
        }
        for wrong in [
            "LABEL=dat",
            "LABEL=data2",
            "UUID=0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f8",
        ] {
            assert_eq!(is_called(&disk, &name(wrong)), Ok(false), "{wrong}");
        }
    }

    #[test]
    fn of_a_disk_that_cannot_be_read_nothing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        File::create(&disk).unwrap().set_len(1100).unwrap();
        let name = DiskName::Label("x".to_owned());
        assert_eq!(is_called(&disk, &name), Err(Errno::EIO));
        let absent = folder.path().join("absent");
        assert_eq!(is_called(&absent, &name), Err(Errno::ENOENT));
    }
}
