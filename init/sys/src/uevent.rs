//! Kernel uevents (netlink(7), NETLINK_KOBJECT_UEVENT): something was added or removed.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, socket,
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

/// Takes one uevent off the socket: that something changed; sysfs says what. True when it is a device
/// that may want a driver.
///
/// # Errors
/// EAGAIN when none waits. ENOBUFS, some were lost, counts as one: sysfs still says what.
pub fn receive(socket: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut buffer = [0_u8; 8192];
    match recvfrom::<NetlinkAddr>(socket.as_raw_fd(), &mut buffer) {
        Ok((length, sender)) => {
            let is_kernels = sender.is_some_and(|sender| sender.pid() == 0);
            let message = buffer.get(..length).unwrap_or_default();
            Ok(is_kernels && wants_driver(message))
        }
        Err(Errno::ENOBUFS) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// `add@/devices/…`, then NUL-terminated variables (kobject_uevent_env of lib/kobject_uevent.c).
fn wants_driver(message: &[u8]) -> bool {
    let mut words = message.split(|byte| *byte == 0);
    message.starts_with(b"add@") && words.any(|word| word.starts_with(b"MODALIAS="))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::sys::socket::{MsgFlags, getsockname, sendto};

    use super::*;

    #[test]
    fn a_new_device_with_a_modalias_wants_a_driver() {
        assert!(wants_driver(
            b"add@/devices/pci0/x\0ACTION=add\0MODALIAS=pci:v1\0SEQNUM=9\0"
        ));
        assert!(!wants_driver(
            b"remove@/devices/pci0/x\0ACTION=remove\0MODALIAS=pci:v1\0"
        ));
        assert!(!wants_driver(
            b"add@/module/veth\0ACTION=add\0SUBSYSTEM=module\0"
        ));
        assert!(!wants_driver(b""));
    }

    #[test]
    fn what_another_process_sends_is_not_the_kernels() {
        let uevents = open().unwrap();
        let name = getsockname::<NetlinkAddr>(uevents.as_raw_fd()).unwrap();
        let other = open().unwrap();
        let forged = b"add@/devices/x\0ACTION=add\0MODALIAS=pci:v1\0";
        let flags = MsgFlags::empty();
        sendto(
            other.as_raw_fd(),
            forged,
            &NetlinkAddr::new(name.pid(), 0),
            flags,
        )
        .unwrap();
        assert_eq!(receive(uevents.as_fd()), Ok(false));
    }
}
