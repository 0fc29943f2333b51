//! Loop devices (loop(4)): a system file carried in the initramfs becomes a block device.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// An attached loop device. It detaches by itself (LO_FLAGS_AUTOCLEAR) when the last user is gone:
/// hold it until it is mounted.
#[derive(Debug)]
pub struct LoopDevice {
    /// Such as `/dev/loop0`.
    pub path: PathBuf,
    /// Keeps it attached.
    pub device: OwnedFd,
}

/// Why no loop device could be attached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoopError {
    /// `/dev/loop-control` does not open: the module `loop` is missing.
    #[error("opening /dev/loop-control")]
    OpenControl(#[source] Errno),
    /// The kernel gave no free device.
    #[error("asking for a free loop device")]
    GetFree(#[source] Errno),
    /// The device node does not open.
    #[error("opening {}", path.display())]
    OpenDevice {
        /// The node.
        path: PathBuf,
        /// open(2)'s.
        source: Errno,
    },
    /// The kernel refused the file.
    #[error("attaching a file to {}", path.display())]
    Configure {
        /// The device.
        path: PathBuf,
        /// ioctl(2)'s.
        source: Errno,
    },
}

/// Attaches `file` (a regular file or memfd) to a free loop device.
///
/// # Errors
/// See [`LoopError`]. A device that somebody else took in between (EBUSY) is passed over.
pub fn attach(file: BorrowedFd<'_>, read_only: bool) -> Result<LoopDevice, LoopError> {
    let control = open(
        "/dev/loop-control",
        OFlag::O_RDWR | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(LoopError::OpenControl)?;
    let mut attempts = 0;
    loop {
        // SAFETY: LOOP_CTL_GET_FREE takes no argument; the fd is open.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        let number = Errno::result(number).map_err(LoopError::GetFree)?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let mode = if read_only {
            OFlag::O_RDONLY
        } else {
            OFlag::O_RDWR
        };
        let device = open(&path, mode | OFlag::O_CLOEXEC, Mode::empty()).map_err(|source| {
            LoopError::OpenDevice {
                path: path.clone(),
                source,
            }
        })?;
        match configure(device.as_fd(), file, read_only) {
            Ok(()) => return Ok(LoopDevice { path, device }),
            Err(Errno::EBUSY) if attempts < 16 => attempts += 1,
            Err(source) => return Err(LoopError::Configure { path, source }),
        }
    }
}

fn configure(device: BorrowedFd<'_>, file: BorrowedFd<'_>, read_only: bool) -> Result<(), Errno> {
    let mut config = LoopConfig {
        fd: u32::try_from(file.as_raw_fd()).map_err(|_| Errno::EBADF)?,
        block_size: 0,
        info: [0; 29],
        reserved: [0; 8],
    };
    let flags = LO_FLAGS_AUTOCLEAR | if read_only { LO_FLAGS_READ_ONLY } else { 0 };
    // loop_info64.lo_flags is its byte 52: the upper half of the seventh word (little endian).
    if let Some(word) = config.info.get_mut(6) {
        *word = u64::from(flags) << 32;
    }
    // SAFETY: `config` has the layout and size of struct loop_config and lives over the call.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) })
        .map(drop)
}

const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// struct loop_config of linux/loop.h; `info` is its struct loop_info64 (232 bytes), all zero but
/// for the flags.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: [u64; 29],
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopConfig>() == 304);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_loop_support_is_a_named_error_and_with_it_a_device() {
        let file = crate::memfd::sealed(c"disk", &[7; 8192]).unwrap();
        match attach(file.as_fd(), true) {
            Ok(attached) => {
                let mut sector = [0; 512];
                assert_eq!(nix::unistd::read(&attached.device, &mut sector), Ok(512));
                assert_eq!(sector, [7; 512]);
            }
            Err(error) => assert!(matches!(error, LoopError::OpenControl(_)), "{error:?}"),
        }
    }
}
