//! Block devices: what nix has no call for (linux/fs.h, linux/blkpg.h). All of them wait for the
//! device.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

const BLKGETSIZE64: libc::Ioctl = 0x8008_1272_u32 as libc::Ioctl;
const BLKSSZGET: libc::Ioctl = 0x1268;
const BLKZEROOUT: libc::Ioctl = 0x127f;
const BLKPG: libc::Ioctl = 0x1269;
/// sizeof(struct blkpg_partition).
const PARTITION_SIZE: libc::c_int = 152;
const BLKPG_ADD_PARTITION: libc::c_int = 1;
const BLKPG_RESIZE_PARTITION: libc::c_int = 3;

/// How many bytes a device has.
///
/// # Errors
/// The errno of ioctl(2): ENOTTY for what is no block device.
pub fn size(device: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut bytes = 0_u64;
    let answer = &raw mut bytes;
    // SAFETY: BLKGETSIZE64 writes one u64, which lives until after the call.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), BLKGETSIZE64, answer) })?;
    Ok(bytes)
}

/// How many bytes a logical block of a device has: 512 or 4096.
///
/// # Errors
/// The errno of ioctl(2).
pub fn sector_size(device: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut bytes: libc::c_int = 0;
    let answer = &raw mut bytes;
    // SAFETY: BLKSSZGET writes one int, which lives until after the call.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), BLKSSZGET, answer) })?;
    u32::try_from(bytes).map_err(|_| Errno::EINVAL)
}

/// Makes a range read as zeros, by the device's own means if it has any; whole sectors, in bytes.
///
/// # Errors
/// The errno of ioctl(2).
pub fn zero(device: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), Errno> {
    let range = [offset, length];
    // SAFETY: BLKZEROOUT reads two u64, which live until after the call.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), BLKZEROOUT, &raw const range) })
        .map(drop)
}

/// A partition as the kernel is to see it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// From 1.
    pub number: u32,
    /// Where it starts on its disk.
    pub start: u64,
    /// How long it is.
    pub length: u64,
}

/// Tells the kernel of a new partition of `disk`.
///
/// # Errors
/// The errno of ioctl(2): EBUSY when it overlaps another or exists.
pub fn add_partition(disk: BorrowedFd<'_>, partition: Partition) -> Result<(), Errno> {
    change_partition(disk, BLKPG_ADD_PARTITION, partition)
}

/// Tells the kernel of a partition's new length; it may be mounted.
///
/// # Errors
/// The errno of ioctl(2): EBUSY when it would overlap another, ENXIO when it does not exist.
pub fn resize_partition(disk: BorrowedFd<'_>, partition: Partition) -> Result<(), Errno> {
    change_partition(disk, BLKPG_RESIZE_PARTITION, partition)
}

fn change_partition(
    disk: BorrowedFd<'_>,
    operation: libc::c_int,
    partition: Partition,
) -> Result<(), Errno> {
    let signed = |bytes: u64| i64::try_from(bytes).map_err(|_| Errno::EINVAL);
    let mut wanted = BlkpgPartition {
        start: signed(partition.start)?,
        length: signed(partition.length)?,
        number: i32::try_from(partition.number).map_err(|_| Errno::EINVAL)?,
        names: [0; 128],
        padding: 0,
    };
    let argument = BlkpgArgument {
        operation,
        flags: 0,
        length: PARTITION_SIZE,
        partition: &raw mut wanted,
    };
    // SAFETY: both structs have the layout of linux/blkpg.h and live until after the call.
    Errno::result(unsafe { libc::ioctl(disk.as_raw_fd(), BLKPG, &raw const argument) }).map(drop)
}

/// struct blkpg_ioctl_arg.
#[repr(C)]
struct BlkpgArgument {
    operation: libc::c_int,
    flags: libc::c_int,
    length: libc::c_int,
    partition: *mut BlkpgPartition,
}

/// struct blkpg_partition.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    names: [u8; 128],
    padding: i32,
}

const _: () = assert!(size_of::<BlkpgPartition>() == 152);
const _: () = assert!(size_of::<BlkpgArgument>() == 24);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn a_file_is_no_block_device() {
        let file = File::open("/proc/self/exe").unwrap();
        assert_eq!(size(file.as_fd()), Err(Errno::ENOTTY));
        assert_eq!(sector_size(file.as_fd()), Err(Errno::ENOTTY));
    }
}
