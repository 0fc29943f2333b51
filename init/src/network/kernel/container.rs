//! What is sent into a service's own network namespace, through a socket that was opened there.

use std::net::Ipv4Addr;

use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkFlags, LinkMessage};
use rtnetlink::{LinkUnspec, RouteMessageBuilder};

use super::{CONTAINER_LINK, LOOPBACK, address_message};

/// IFF_UP.
const UP: LinkFlags = LinkFlags::Up;

/// The messages that make a service's own network namespace ready, in one datagram for a socket of
/// that namespace: lo up, the address, `eth0` up, the default route. With the last one's sequence
/// number, which the kernel acknowledges.
pub(in crate::network) fn container_messages(
    (address, prefix_length): (Ipv4Addr, u8),
    router: Ipv4Addr,
) -> (Vec<u8>, u32) {
    let up = |index| {
        let mut message: LinkMessage = LinkUnspec::new_with_index(index).up().build();
        message.header.flags = UP;
        RouteNetlinkMessage::SetLink(message)
    };
    let address = address_message(CONTAINER_LINK, address, prefix_length);
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .gateway(router)
        .output_interface(CONTAINER_LINK)
        .build();
    let messages = [
        up(LOOPBACK),
        RouteNetlinkMessage::NewAddress(address),
        up(CONTAINER_LINK),
        RouteNetlinkMessage::NewRoute(route),
    ];
    let mut bytes = Vec::new();
    let mut sequence = 0;
    for payload in messages {
        let creates = !matches!(payload, RouteNetlinkMessage::SetLink(_));
        let mut message = NetlinkMessage::from(payload);
        sequence += 1;
        message.header.sequence_number = sequence;
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
        if creates {
            message.header.flags |= NLM_F_CREATE | NLM_F_EXCL;
        }
        message.finalize();
        let mut one = vec![0; message.buffer_len()];
        message.serialize(&mut one);
        one.resize(one.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(&one);
    }
    (bytes, sequence)
}
