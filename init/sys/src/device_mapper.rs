//! The device mapper's ioctls (linux/dm-ioctl.h), as far as a verity device needs them
//! (Documentation/admin-guide/device-mapper/{dm-ioctl,verity}.rst).
//!
//! All may wait on a disk: for a [`crate::child`].

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// devtmpfs makes it when the module `dm_mod` is there.
const CONTROL: &str = "/dev/mapper/control";

/// `_IOWR(0xfd, 3, struct dm_ioctl)` of linux/dm-ioctl.h.
const DM_DEV_CREATE: libc::Ioctl = 0xc138_fd03_u32 as libc::Ioctl;
/// `_IOWR(0xfd, 6, struct dm_ioctl)`.
const DM_DEV_SUSPEND: libc::Ioctl = 0xc138_fd06_u32 as libc::Ioctl;
/// `_IOWR(0xfd, 9, struct dm_ioctl)`.
const DM_TABLE_LOAD: libc::Ioctl = 0xc138_fd09_u32 as libc::Ioctl;

const DM_READONLY_FLAG: u32 = 1 << 0;
/// The minor number is the caller's choice.
const DM_PERSISTENT_DEV_FLAG: u32 = 1 << 3;

/// `sizeof(struct dm_ioctl)`, which is where what follows it begins.
const HEADER: usize = 312;
/// The longest table that is passed on: two paths, two hashes, six numbers.
const MOST: usize = 1024;

/// What an ioctl takes and gives: struct dm_ioctl, then struct dm_target_spec and its parameters.
#[repr(C, align(8))]
struct Message([u8; HEADER + MOST]);

impl Message {
    /// To the device of that name; `None` when the name is too long.
    fn new(name: &CStr, flags: u32, targets: u32) -> Option<Self> {
        let mut message = Self([0; HEADER + MOST]);
        // version 4.0.0: the least that the kernel speaks.
        message.put(0, &4_u32.to_ne_bytes())?;
        let size = u32::try_from(HEADER + MOST).ok()?;
        message.put(12, &size.to_ne_bytes())?;
        message.put(16, &u32::try_from(HEADER).ok()?.to_ne_bytes())?;
        message.put(20, &targets.to_ne_bytes())?;
        message.put(28, &flags.to_ne_bytes())?;
        // name[128]; dev stays 0, which with DM_PERSISTENT_DEV_FLAG is minor 0.
        let name = name.to_bytes();
        (name.len() < 128).then_some(())?;
        message.put(48, name)?;
        Some(message)
    }

    /// `None` when it does not fit.
    fn put(&mut self, at: usize, bytes: &[u8]) -> Option<()> {
        let place = self.0.get_mut(at..at.checked_add(bytes.len())?)?;
        place.copy_from_slice(bytes);
        Some(())
    }

    /// One target from the device's first sector on: sector_start 0, length, status, next, type,
    /// parameters.
    fn put_target(&mut self, sectors: u64, target: &CStr, parameters: &str) -> Option<()> {
        (target.to_bytes().len() < 16).then_some(())?;
        // The kernel wants the parameters' NUL within the message.
        (parameters.len() < MOST - 40).then_some(())?;
        self.put(HEADER + 8, &sectors.to_ne_bytes())?;
        self.put(HEADER + 24, target.to_bytes())?;
        self.put(HEADER + 40, parameters.as_bytes())
    }

    fn send(&mut self, control: &OwnedFd, request: libc::Ioctl) -> Result<(), Errno> {
        let message = &raw mut self.0;
        // SAFETY: each request reads and writes at most data_size bytes, which is the message's size;
        // it is aligned as struct dm_ioctl and lives until after the call.
        Errno::result(unsafe { libc::ioctl(control.as_raw_fd(), request, message) }).map(drop)
    }
}

/// Makes `/dev/dm-0`, a read-only device with one target, and starts it. What fails on the way is
/// left there: the machine boots with this device or not at all.
///
/// # Errors
/// The errno of open(2) or ioctl(2): ENOENT without the module `dm_mod`, EINVAL for a target that the
/// kernel does not know or whose parameters it refuses, which its log says; EBUSY when there is a
/// device. E2BIG for what does not fit.
pub fn create_read_only(
    name: &CStr,
    sectors: u64,
    target: &CStr,
    parameters: &str,
) -> Result<(), Errno> {
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let control = open(CONTROL, flags, Mode::empty())?;
    let new = |flags, targets| Message::new(name, flags, targets).ok_or(Errno::E2BIG);
    new(DM_PERSISTENT_DEV_FLAG, 0)?.send(&control, DM_DEV_CREATE)?;
    let mut table = new(DM_READONLY_FLAG, 1)?;
    let put = table.put_target(sectors, target, parameters);
    put.ok_or(Errno::E2BIG)?;
    table.send(&control, DM_TABLE_LOAD)?;
    // Without DM_SUSPEND_FLAG it is the opposite.
    new(0, 0)?.send(&control, DM_DEV_SUSPEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_lies_where_the_kernel_looks() {
        let mut message = Message::new(c"system", DM_READONLY_FLAG, 1).unwrap();
        message.put_target(0x0102, c"verity", "1 /dev/x").unwrap();
        let at = |from: usize, length: usize| &message.0[from..from + length];
        assert_eq!(at(0, 4), 4_u32.to_ne_bytes());
        assert_eq!(at(12, 4), 1336_u32.to_ne_bytes());
        assert_eq!(at(48, 7), b"system\0");
        assert_eq!(at(HEADER, 8), [0; 8]);
        assert_eq!(at(HEADER + 8, 8), 0x0102_u64.to_ne_bytes());
        assert_eq!(at(HEADER + 24, 7), b"verity\0");
        assert_eq!(at(HEADER + 40, 9), b"1 /dev/x\0");
    }

    #[test]
    fn what_does_not_fit_is_refused_before_the_kernel_sees_it() {
        let mut message = Message::new(c"system", 0, 1).unwrap();
        let long = "x".repeat(MOST - 40);
        assert_eq!(message.put_target(1, c"verity", &long), None);
        assert_eq!(message.put_target(1, c"sixteen-letters-", ""), None);
        let name = std::ffi::CString::new("x".repeat(128)).unwrap();
        assert!(Message::new(&name, 0, 0).is_none());
    }
}
