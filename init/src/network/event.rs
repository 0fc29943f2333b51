//! What the network tells PID 1's loop without being asked.

use std::net::Ipv4Addr;

use super::error::NetworkError;
use super::link::LinkName;
use super::reach::Reach;

/// An address of the machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkAddress {
    /// On which link.
    pub link: LinkName,
    /// The address.
    pub address: Ipv4Addr,
    /// Its network's prefix length.
    pub prefix_length: u8,
}

/// Something happened. Links of the machine's own (`lo`, the bridge and its ports) are not told of.
#[derive(Debug)]
pub enum NetworkEvent {
    /// The holder of `network.lease` needs other sockets: links that want DHCP came or went, or
    /// one without a lease got its carrier and should be asked for without waiting.
    DhcpLinksChanged,
    /// A link has an address.
    AddressAdded(LinkAddress),
    /// A link lost an address: removed, or its lease ran out.
    AddressRemoved(LinkAddress),
    /// A link's cable was plugged in (or out).
    CarrierChanged {
        /// Which link.
        link: LinkName,
        /// Whether it has a carrier now.
        carrier: bool,
    },
    /// What services may wait for is different now.
    ReachChanged(Reach),
    /// The resolvers are different now.
    ResolversChanged,
    /// A link that appeared could not be configured, or the kernel's notices cannot be read; the
    /// network goes on as far as it can.
    Degraded(NetworkError),
}
