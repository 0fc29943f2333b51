//! Sealed memory files (memfd_create(2)): what must survive a vanished disk and nobody may change.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::sendfile::sendfile;
use nix::unistd::{Whence, lseek, write};

/// A close-on-exec memory file with these bytes, at offset 0, sealed against every change: it can
/// be executed (execveat(2), fexecve(3)) and handed out without fear (rule R1).
///
/// # Errors
/// The errno of memfd_create(2), write(2) or fcntl(2).
pub fn sealed(name: &CStr, bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let file = create(name)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = write(file.as_fd(), rest)?;
        rest = rest.get(written..).ok_or(Errno::EIO)?;
    }
    seal(file)
}

/// As [`sealed`], with what `source` holds from its offset on; the bytes stay in the kernel.
///
/// # Errors
/// The errno of memfd_create(2), sendfile(2) or fcntl(2).
pub fn sealed_copy(name: &CStr, source: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const CHUNK: usize = 1 << 20;
    let file = create(name)?;
    while sendfile(file.as_fd(), source, None, CHUNK)? > 0 {}
    seal(file)
}

/// An empty close-on-exec memory file that can be written and grow, and never shrink: what has been
/// written can be written over, and not be lost.
///
/// # Errors
/// The errno of memfd_create(2) or fcntl(2).
pub fn growing(name: &CStr) -> Result<OwnedFd, Errno> {
    let file = create(name)?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

fn create(name: &CStr) -> Result<OwnedFd, Errno> {
    memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)
}

fn seal(file: OwnedFd) -> Result<OwnedFd, Errno> {
    lseek(file.as_fd(), 0, Whence::SeekSet)?;
    let seals = SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_SEAL;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_all_of_its_source() {
        let source = sealed(c"source", &[7; 3000]).unwrap();
        let copy = sealed_copy(c"copy", source.as_fd()).unwrap();
        let mut buffer = [0; 4096];
        assert_eq!(nix::unistd::read(&copy, &mut buffer), Ok(3000));
        assert_eq!(buffer[2999], 7);
        assert_eq!(write(copy.as_fd(), b"x"), Err(Errno::EPERM));
    }

    #[test]
    fn a_growing_file_grows_and_never_shrinks() {
        let file = growing(c"orlop").unwrap();
        assert_eq!(write(file.as_fd(), b"bytes"), Ok(5));
        assert_eq!(nix::unistd::ftruncate(file.as_fd(), 4), Err(Errno::EPERM));
        assert_eq!(nix::unistd::ftruncate(file.as_fd(), 50), Ok(()));
        let more = FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE);
        assert_eq!(fcntl(file.as_fd(), more), Err(Errno::EPERM));
    }

    #[test]
    fn a_sealed_file_reads_and_refuses_writes() {
        let file = sealed(c"orlop", b"bytes").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(nix::unistd::read(&file, &mut buffer), Ok(5));
        assert_eq!(write(file.as_fd(), b"x"), Err(Errno::EPERM));
        assert_eq!(nix::unistd::ftruncate(file.as_fd(), 0), Err(Errno::EPERM));
    }
}
