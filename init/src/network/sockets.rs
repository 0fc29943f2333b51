//! The sockets that the holder of `network.lease` gets: one pair a link that wants DHCP.
//!
//! `dhcp4.<link>`: AF_PACKET, SOCK_DGRAM, bound to the link, and a filter lets only IPv4 UDP to
//! port 68 through, so that the holder, which has no capability, sees nothing else of the link.
//! `udp4.<link>`: UDP, bound to the link and to port 68. packet(7), ip(7).

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt,
};
use orlop_sys::packet::{self, Instruction};

use super::error::NetworkError;
use super::link::LinkName;

/// ETH_P_IP.
const IPV4: u16 = 0x0800;
/// The port of DHCP clients.
const CLIENT_PORT: u16 = 68;

/// Lets IPv4 UDP packets to port 68 through that are not later fragments; `linux/filter.h`. The
/// packet starts at its IPv4 header.
const ONLY_DHCP_REPLIES: [Instruction; 9] = [
    Instruction::new(0x30, 0, 0, 9),      // ldb [9]: the protocol
    Instruction::new(0x15, 0, 5, 17),     // jeq UDP, else drop
    Instruction::new(0x28, 0, 0, 6),      // ldh [6]: the fragment's offset
    Instruction::new(0x45, 3, 0, 0x1fff), // jset: a later fragment, drop
    Instruction::new(0xb1, 0, 0, 0),      // ldxb 4*([0]&0xf): the header's length
    Instruction::new(0x48, 0, 0, 2),      // ldh [x + 2]: the destination port
    Instruction::new(0x15, 1, 0, CLIENT_PORT as u32), // jeq 68, accept
    Instruction::new(0x06, 0, 0, 0),      // ret 0: drop
    Instruction::new(0x06, 0, 0, 0xffff), // ret 65535: accept all of it
];

/// Opens the pair of one link, with the names under which they are passed.
pub(super) fn open(link: &LinkName, index: u32) -> Result<[(String, OwnedFd); 2], NetworkError> {
    let named = |kind: &str, opened: io::Result<OwnedFd>| {
        let name = format!("{kind}.{link}");
        match opened {
            Ok(fd) => Ok((name, fd)),
            Err(source) => Err(NetworkError::DhcpSocket { name, source }),
        }
    };
    Ok([
        named("dhcp4", open_packet(index))?,
        named("udp4", open_udp(link))?,
    ])
}

fn open_packet(index: u32) -> io::Result<OwnedFd> {
    Ok(packet::open(index, IPV4, &ONLY_DHCP_REPLIES)?)
}

fn open_udp(link: &LinkName) -> io::Result<OwnedFd> {
    let fd = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    // The socket of a holder that is about to end must not be in the way of its successor's.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    setsockopt(&fd, sockopt::BindToDevice, &OsString::from(link.as_str()))?;
    bind(fd.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, CLIENT_PORT))?;
    Ok(fd)
}
