//! Kernel uevents (netlink(7), NETLINK_KOBJECT_UEVENT): something was added or removed.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

/// The kernel's own multicast group; group 2 is udev's.
const KERNEL: u32 = 1;

/// A non-blocking socket that hears every uevent from now on.
///
/// # Errors
/// The errno of socket(2) or bind(2).
pub fn open() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let protocol = SockProtocol::NetlinkKObjectUEvent;
    let socket = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL))?;
    Ok(socket)
}

/// Takes one uevent off the socket: that something changed; sysfs says what.
///
/// # Errors
/// EAGAIN when none waits. ENOBUFS, some were lost, counts as one: sysfs still says what.
pub fn receive(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut buffer = [0_u8; 8192];
    match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
        Ok(_) | Err(Errno::ENOBUFS) => Ok(()),
        Err(errno) => Err(errno),
    }
}
