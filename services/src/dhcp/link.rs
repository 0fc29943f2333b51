//! One link: its two sockets and its client.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use orlop_sys::packet;

use super::message::{Reply, Request};
use super::packet::{SERVER_PORT, broadcast, payload};
use super::state::{Action, Client};

/// ETH_P_IP.
const IPV4: u16 = 0x0800;
/// The largest message that is read; what is longer is cut off and then not whole.
const LARGEST: usize = 4096;

/// A link that wants an address.
#[derive(Debug)]
pub(super) struct Link {
    /// Its name.
    pub(super) name: String,
    packets: OwnedFd,
    renewals: UdpSocket,
    index: u32,
    /// The client.
    pub(super) client: Client,
}

/// Why a passed pair of sockets is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// One of `dhcp4.<link>` and `udp4.<link>` is missing.
    #[error("link {link}: only one of its two sockets was passed")]
    Pair {
        /// Which link.
        link: String,
    },
    /// The packet socket does not say which link it is bound to.
    #[error("link {link}: the packet socket's address")]
    Address {
        /// Which link.
        link: String,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
}

/// Pairs the passed sockets by link. What cannot be used is told beside what can.
pub(super) fn pair(passed: Vec<(String, OwnedFd)>, now: Duration) -> (Vec<Link>, Vec<LinkError>) {
    let mut pairs: BTreeMap<String, (Option<OwnedFd>, Option<OwnedFd>)> = BTreeMap::new();
    for (name, fd) in passed {
        match name.split_once('.') {
            Some(("dhcp4", link)) => pairs.entry(link.to_owned()).or_default().0 = Some(fd),
            Some(("udp4", link)) => pairs.entry(link.to_owned()).or_default().1 = Some(fd),
            _ => {}
        }
    }
    let (mut links, mut errors) = (Vec::new(), Vec::new());
    for (link, sockets) in pairs {
        let opened = match sockets {
            (Some(packets), Some(renewals)) => Link::new(link, packets, renewals, now),
            _ => Err(LinkError::Pair { link }),
        };
        match opened {
            Ok(link) => links.push(link),
            Err(error) => errors.push(error),
        }
    }
    (links, errors)
}

impl Link {
    fn new(
        name: String,
        packets: OwnedFd,
        renewals: OwnedFd,
        now: Duration,
    ) -> Result<Self, LinkError> {
        match packet::bound_to(packets.as_fd()) {
            Ok((index, hardware)) => Ok(Self {
                name,
                packets,
                renewals: UdpSocket::from(renewals),
                index,
                client: Client::new(hardware, now),
            }),
            Err(source) => Err(LinkError::Address { link: name, source }),
        }
    }

    /// Performs a message's sending. A link that is down or full is as good as a lost packet: the
    /// client sends again.
    pub(super) fn send(&self, action: &Action) -> Result<(), Errno> {
        match action {
            Action::Broadcast(request) => self.broadcast(request),
            Action::Unicast(request, server) => {
                let server = SocketAddrV4::new(*server, SERVER_PORT);
                match self.renewals.send_to(&request.encode(), server) {
                    Ok(_) => Ok(()),
                    Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
                }
            }
            Action::Bound(_) | Action::Expired => Ok(()),
        }
    }

    fn broadcast(&self, request: &Request) -> Result<(), Errno> {
        let source = request.in_use.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let bytes = broadcast(source, &request.encode());
        packet::send(self.packets.as_fd(), self.index, IPV4, [0xff; 6], &bytes).map(drop)
    }

    /// Reads one packet: `None` when there is none (any more), `Some(None)` when it was no answer
    /// of a server. The packet socket sees the answers to unicast messages too, so the other
    /// socket is only sent from; what it receives is dropped when its buffer is full.
    pub(super) fn receive(&self) -> Option<Option<Reply>> {
        let mut buffer = [0; LARGEST];
        // EAGAIN is the end; ENETDOWN is told once when the link goes down.
        let length = recv(
            self.packets.as_raw_fd(),
            &mut buffer,
            MsgFlags::MSG_DONTWAIT,
        )
        .ok()?;
        let packet = buffer.get(..length)?;
        Some(payload(packet).and_then(Reply::decode))
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.packets.as_fd()
    }
}
