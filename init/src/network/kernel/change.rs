//! What the kernel tells: its messages of links and addresses, as changes.

use std::net::{IpAddr, Ipv4Addr};

use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{
    LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};

use crate::network::link::{Link, LinkName};

/// What the kernel tells without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::network) enum Change {
    /// A link is new or different.
    Link { index: u32, link: Link },
    /// A link is gone.
    LinkGone { index: u32 },
    /// A link has an address (again).
    Address {
        index: u32,
        address: Ipv4Addr,
        prefix_length: u8,
    },
    /// A link has lost an address.
    AddressGone { index: u32, address: Ipv4Addr },
    /// Messages were lost (ENOBUFS): all that is known must be listed again.
    Lost,
}

/// The change that a message tells of; `None` for what nobody here wants to know.
pub(super) fn change(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Change> {
    match payload {
        NetlinkPayload::Overrun(_) => Some(Change::Lost),
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
            let link = link_of(&message)?;
            Some(Change::Link {
                index: message.header.index,
                link,
            })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message)) => {
            Some(Change::LinkGone {
                index: message.header.index,
            })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(message)) => {
            let (address, prefix_length) = address_of(&message)?;
            Some(Change::Address {
                index: message.header.index,
                address,
                prefix_length,
            })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(message)) => {
            let (address, _) = address_of(&message)?;
            Some(Change::AddressGone {
                index: message.header.index,
                address,
            })
        }
        _ => None,
    }
}

/// The link's own IPv4 address with its prefix length.
pub(super) fn address_of(message: &AddressMessage) -> Option<(Ipv4Addr, u8)> {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => {
                Some((*address, message.header.prefix_len))
            }
            _ => None,
        })
}

/// What an RTM_NEWLINK message says; `None` when it has no name that can be one.
pub(super) fn link_of(message: &LinkMessage) -> Option<Link> {
    let attributes = &message.attributes;
    let name = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(LinkName::new(name)),
        _ => None,
    })??;
    let mut link = Link {
        name,
        ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        virtual_kind: false,
        enslaved: false,
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        mtu: 0,
        max_mtu: 0,
    };
    for attribute in attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::MaxMtu(mtu) => link.max_mtu = *mtu,
            LinkAttribute::Controller(index) => link.enslaved = *index != 0,
            LinkAttribute::LinkInfo(infos) => {
                link.virtual_kind = infos.iter().any(|info| matches!(info, LinkInfo::Kind(_)));
            }
            _ => {}
        }
    }
    Some(link)
}
