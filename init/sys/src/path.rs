//! Questions about directories that a child asks before it execs.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Whether the working directory can be named from the root directory: getcwd(2) answers an
/// absolute path and not `(unreachable)` (rule R3). Child-safe.
///
/// # Errors
/// The errno of getcwd(2).
// Its buffer in the caller's frame would be a page more of the stack that every child copies.
#[inline(never)]
pub fn working_dir_is_inside() -> Result<bool, Errno> {
    let mut buffer = [0_u8; 4096];
    // SAFETY: the buffer is writable and of the length given.
    let result = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    Errno::result(result)?;
    Ok(buffer.first() == Some(&b'/'))
}

/// Whether a directory open for reading has no entries. Child-safe.
///
/// # Errors
/// The errno of getdents64(2).
pub fn directory_is_empty(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    // "." and ".." take 24 bytes each; any third entry makes it more.
    const DOTS: libc::c_long = 48;
    let mut buffer = [0_u64; 64];
    let length = size_of_val(&buffer);
    // SAFETY: the buffer is writable, aligned for linux_dirent64 and of the length given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            directory.as_raw_fd(),
            buffer.as_mut_ptr(),
            length,
        )
    };
    Ok(Errno::result(result)? <= DOTS)
}
