//! The kernel's random pool (random(4)).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Mixes at most 512 bytes of a kept seed into the pool and credits all their bits. `random` is an
/// open `/dev/urandom` or `/dev/random`; needs CAP_SYS_ADMIN. The caller has made sure that the
/// seed is used once.
///
/// # Errors
/// EINVAL for a longer seed; the errno of the ioctl RNDADDENTROPY.
pub fn add(random: BorrowedFd<'_>, seed: &[u8]) -> Result<(), Errno> {
    let mut info = PoolInfo {
        entropy_count: 0,
        buffer_size: 0,
        buffer: [0; 512],
    };
    info.buffer
        .get_mut(..seed.len())
        .ok_or(Errno::EINVAL)?
        .copy_from_slice(seed);
    info.buffer_size = i32::try_from(seed.len()).map_err(|_| Errno::EINVAL)?;
    info.entropy_count = info.buffer_size * 8;
    // SAFETY: `info` starts like struct rand_pool_info and holds buffer_size bytes after its head.
    Errno::result(unsafe { libc::ioctl(random.as_raw_fd(), RNDADDENTROPY, &raw const info) })
        .map(drop)
}

const RNDADDENTROPY: libc::Ioctl = 0x4008_5203;

#[repr(C)]
struct PoolInfo {
    entropy_count: i32,
    buffer_size: i32,
    buffer: [u8; 512],
}
