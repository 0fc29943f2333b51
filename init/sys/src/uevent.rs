//! Kernel uevents (netlink(7), NETLINK_KOBJECT_UEVENT): something was added or removed.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, socket,
};

/// The kernel's own multicast group; group 2 is udev's.
const KERNEL: u32 = 1;
/// More than any (UEVENT_BUFFER_SIZE of linux/kobject.h and the path before it).
const LONGEST: usize = 8192;

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
    match take(socket, &mut [0; LONGEST]) {
        Ok(message) => Ok(wants_driver(message)),
        Err(Errno::ENOBUFS) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// Takes one uevent off the socket: what it says of `variable`, when it tells that a block device
/// made by the kernel (`dm-0`) has changed.
///
/// # Errors
/// EAGAIN when none waits, ENOBUFS when some were lost.
pub fn receive_value(
    socket: BorrowedFd<'_>,
    device: &str,
    variable: &str,
) -> Result<Option<String>, Errno> {
    let mut buffer = [0; LONGEST];
    let message = take(socket, &mut buffer)?;
    Ok(value(message, device, variable))
}

/// The next message; empty when it is not the kernel's.
fn take<'b>(socket: BorrowedFd<'_>, buffer: &'b mut [u8; LONGEST]) -> Result<&'b [u8], Errno> {
    let (length, sender) = recvfrom::<NetlinkAddr>(socket.as_raw_fd(), buffer)?;
    let is_kernels = sender.is_some_and(|sender| sender.pid() == 0);
    let message = buffer.get(..length).filter(|_| is_kernels);
    Ok(message.unwrap_or_default())
}

fn value(message: &[u8], device: &str, variable: &str) -> Option<String> {
    let mut words = message.split(|byte| *byte == 0);
    let changed = words
        .next()?
        .strip_prefix(b"change@/devices/virtual/block/")?;
    (changed == device.as_bytes()).then_some(())?;
    let value = words.find_map(|word| {
        let rest = word.strip_prefix(variable.as_bytes())?;
        rest.strip_prefix(b"=")
    })?;
    Some(String::from_utf8_lossy(value).into_owned())
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
    fn a_variable_is_taken_from_a_change_of_that_device_alone() {
        let variable = |message: &[u8]| value(message, "dm-0", "DM_VERITY_ERR_BLOCK_NR");
        let told =
            b"change@/devices/virtual/block/dm-0\0ACTION=change\0DM_VERITY_ERR_BLOCK_NR=0,7\0";
        assert_eq!(variable(told).as_deref(), Some("0,7"));
        for other in [
            &b"change@/devices/virtual/block/dm-1\0DM_VERITY_ERR_BLOCK_NR=0,7\0"[..],
            b"change@/devices/virtual/block/dm-0\0DM_VERITY_ERR_BLOCK_NRS=0,7\0",
            b"add@/devices/virtual/block/dm-0\0DM_VERITY_ERR_BLOCK_NR=0,7\0",
            b"change@/devices/virtual/block/dm-0",
            b"",
        ] {
            assert_eq!(variable(other), None);
        }
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
