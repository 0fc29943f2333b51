//! To be told when a file system meets an error (fanotify(7), FAN_FS_ERROR, since Linux 5.16).

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

const FAN_FS_ERROR: u64 = 0x8000;

/// A descriptor that becomes readable when the file system that `path` is on meets an error; reading
/// it does not block. Needs CAP_SYS_ADMIN.
///
/// # Errors
/// The errno of fanotify_init(2) or fanotify_mark(2): EINVAL or ENODEV where nobody tells.
pub fn watch(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags =
        libc::FAN_CLASS_NOTIF | libc::FAN_REPORT_FID | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK;
    // SAFETY: two numbers; the kernel gives a new descriptor or an error.
    let descriptor = Errno::result(unsafe { libc::fanotify_init(flags, 0) })?;
    // SAFETY: the descriptor is new, and nobody else's.
    let group = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let mark = libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM;
    // SAFETY: the descriptor is a fanotify group's, the path ends with a NUL and lives over the call.
    let marked = unsafe {
        libc::fanotify_mark(
            group.as_raw_fd(),
            mark,
            FAN_FS_ERROR,
            libc::AT_FDCWD,
            path.as_ptr(),
        )
    };
    Errno::result(marked)?;
    Ok(group)
}

/// Takes what was told off the descriptor; false when there was nothing.
#[must_use]
pub fn take(group: BorrowedFd<'_>) -> bool {
    let mut told = [0; 512];
    nix::unistd::read(group, &mut told).is_ok_and(|length| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_watched_is_an_errno() {
        assert!(watch(c"/nowhere").is_err());
    }
}
