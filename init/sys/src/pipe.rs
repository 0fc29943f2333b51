//! The pipes that services write to, seen from PID 1, which never reads their bytes.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};

/// How many bytes wait in a pipe or socket (FIONREAD).
///
/// # Errors
/// The errno of the ioctl.
pub fn unread(fd: BorrowedFd<'_>) -> Result<usize, Errno> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, to a live one.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut count) })?;
    usize::try_from(count).map_err(|_| Errno::EOVERFLOW)
}

/// Throws away up to `most` bytes of a pipe by splicing them to `null` (an open `/dev/null`),
/// without blocking and without copying; returns how many. 0 when the pipe is empty.
///
/// # Errors
/// The errno of splice(2), but for EAGAIN.
pub fn splice_to_null(
    pipe: BorrowedFd<'_>,
    null: BorrowedFd<'_>,
    most: usize,
) -> Result<usize, Errno> {
    let mut gone = 0;
    while gone < most {
        match splice(
            pipe,
            None,
            null,
            None,
            most - gone,
            SpliceFFlags::SPLICE_F_NONBLOCK,
        ) {
            Ok(0) | Err(Errno::EAGAIN) => break,
            Ok(count) => gone += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(gone)
}

/// Sets a pipe's capacity in bytes, rounded up by the kernel to a power of two of pages; returns it.
///
/// # Errors
/// The errno of fcntl(2) F_SETPIPE_SZ.
pub fn set_capacity(pipe: BorrowedFd<'_>, bytes: i32) -> Result<i32, Errno> {
    nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{OFlag, open};
    use nix::sys::stat::Mode;
    use std::os::fd::AsFd;

    #[test]
    fn bytes_are_counted_and_thrown_away() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let null = open("/dev/null", OFlag::O_WRONLY, Mode::empty()).unwrap();
        nix::unistd::write(&writer, &[1; 3000]).unwrap();
        assert_eq!(unread(reader.as_fd()), Ok(3000));
        assert_eq!(splice_to_null(reader.as_fd(), null.as_fd(), 2000), Ok(2000));
        assert_eq!(splice_to_null(reader.as_fd(), null.as_fd(), 2000), Ok(1000));
        assert_eq!(unread(reader.as_fd()), Ok(0));
    }
}
