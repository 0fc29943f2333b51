//! What is done inside a network namespace when it is new.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// Sets the caller's network namespace's `lo` up (netdevice(7)). Child-safe.
///
/// # Errors
/// The errno of socket(2) or of the ioctl SIOCSIFFLAGS.
pub fn loopback_up() -> Result<(), Errno> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: ifreq is plain old data; all bytes zero is a valid start.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(*b"lo") {
        *slot = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags = UP_AND_RUNNING;
    // SAFETY: SIOCSIFFLAGS reads a live ifreq whose flags field is set.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCSIFFLAGS, &raw const request) })
        .map(drop)
}

/// A NETLINK_ROUTE socket of the caller's network namespace; it keeps speaking to that namespace
/// wherever it is handed (rtnetlink(7)). Close-on-exec and non-blocking. Child-safe.
///
/// # Errors
/// The errno of socket(2).
pub fn netlink_route() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )
}

const SIOCSIFFLAGS: libc::Ioctl = 0x8914;

/// IFF_UP | IFF_RUNNING.
const UP_AND_RUNNING: i16 = 0x1 | 0x40;
