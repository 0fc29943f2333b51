//! `[network]`: DHCP, resolvers, the services' pool, the links.

use std::net::Ipv4Addr;

use crate::keys::Section;
use crate::scalar::{address_with_prefix, contains, network_of, parse_ipv4};
use crate::tree::{Fields, Findings, Node, quoted};
use crate::{LinkConfig, NetworkConfig};

pub(super) fn network(node: &Node<'_>, network: &mut NetworkConfig, findings: &mut Findings<'_>) {
    let Some(table) = node.table(findings) else {
        return;
    };
    let fields = Fields::read(table, Section::Network, "network", findings);
    if let Some(dhcp) = fields.get("dhcp").and_then(|n| n.boolean(findings)) {
        network.dhcp = dhcp;
    }
    if let Some(entries) = fields.get("dns").and_then(|n| n.list(findings)) {
        let entries = entries.iter();
        network.dns = entries.filter_map(|n| unicast(n, findings)).collect();
    }
    if let Some(node) = fields.get("pool")
        && let Some(found) = pool(node, findings)
    {
        network.pool = found;
    }
    let links = fields.get("links").and_then(|n| n.named(findings));
    for (name, place, node) in links.unwrap_or_default() {
        if !is_link_name(name) {
            findings.error(
                &place,
                format!(
                    "{} is no link's name, at most 15 letters; write [network.links.eth0]",
                    quoted(name)
                ),
            );
            continue;
        }
        let link = link(&node, network.pool, findings);
        network.links.insert(name.to_owned(), link);
    }
}

/// Whether a link can be called so: IFNAMSIZ holds 15 bytes; dev_valid_name() in net/core/dev.c
/// refuses the same.
pub(in crate::parse) fn is_link_name(name: &str) -> bool {
    let bad = |b: u8| b.is_ascii_whitespace() || b.is_ascii_control() || matches!(b, b'/' | b':');
    (1..=15).contains(&name.len()) && !name.starts_with('.') && !name.bytes().any(bad)
}

/// An address that one machine can have.
pub(in crate::parse) fn unicast(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Ipv4Addr> {
    let text = node.string(findings)?;
    let address = node.parsed(findings, text, parse_ipv4(text))?;
    if !is_unicast(address) {
        node.refuse(
            findings,
            &format!("{} is no single machine's address", quoted(text)),
        );
        return None;
    }
    Some(address)
}

fn pool(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<(Ipv4Addr, u8)> {
    let text = node.string(findings)?;
    let (address, prefix) = node.parsed(findings, text, address_with_prefix(text))?;
    let network = network_of(address, prefix);
    if network != address {
        node.error(
            findings,
            format!(
                "{} is not the first address of its network; write \"{network}/{prefix}\"",
                quoted(text)
            ),
        );
        return None;
    }
    if prefix > 30 {
        node.error(findings, format!("{} has no room for the bridge and a service; write a prefix length of at most 30, such as \"{network}/24\"", quoted(text)));
        return None;
    }
    // A network that reaches out of private space would hide machines of the Internet.
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b) && prefix >= 10;
    let private = match a {
        10 => prefix >= 8,
        172 => address.is_private() && prefix >= 12,
        192 => address.is_private() && prefix >= 16,
        _ => false,
    };
    if !private && !shared {
        findings.warning(&node.place, format!("{} is not private address space, so services cannot reach the real owner of these addresses; write \"172.29.0.0/16\"", quoted(text)));
    }
    Some((address, prefix))
}

fn link(node: &Node<'_>, pool: (Ipv4Addr, u8), findings: &mut Findings<'_>) -> LinkConfig {
    let by_dhcp = LinkConfig {
        dhcp: true,
        ..LinkConfig::default()
    };
    let Some(table) = node.table(findings) else {
        return by_dhcp;
    };
    let fields = Fields::read(table, Section::Link, &node.place.key, findings);
    let dhcp = fields.get("dhcp").and_then(|n| n.boolean(findings));
    let entries = fields.get("addresses").and_then(|n| n.list(findings));
    let addresses: Vec<(Ipv4Addr, u8)> = entries
        .unwrap_or_default()
        .iter()
        .filter_map(|n| interface_address(n, pool, findings))
        .collect();
    let gateway = fields.get("gateway").and_then(|n| unicast(n, findings));
    if let (Some(gateway), Some(node)) = (gateway, fields.get("gateway"))
        && !addresses.is_empty()
        && !addresses.iter().any(|network| contains(*network, gateway))
    {
        node.error(findings, format!("{gateway} is in none of the networks of addresses; write a gateway that the link reaches directly"));
    }
    let mtu = fields
        .get("mtu")
        .and_then(|node| match node.integer(findings)? {
            mtu @ 576..=65_535 => u32::try_from(mtu).ok(),
            mtu => {
                node.refuse(findings, &format!("{mtu} is not between 576 and 65535"));
                None
            }
        });
    LinkConfig {
        dhcp: dhcp.unwrap_or(addresses.is_empty()),
        addresses,
        gateway,
        mtu,
    }
}

/// `192.0.2.10/24`: an address of the machine with its network's prefix length.
fn interface_address(
    node: &Node<'_>,
    pool: (Ipv4Addr, u8),
    findings: &mut Findings<'_>,
) -> Option<(Ipv4Addr, u8)> {
    let text = node.string(findings)?;
    let (address, prefix) = node.parsed(findings, text, address_with_prefix(text))?;
    if prefix == 0 || !is_unicast(address) {
        node.refuse(
            findings,
            &format!("{} is no address of one machine", quoted(text)),
        );
        return None;
    }
    if contains(pool, address) || contains((address, prefix), pool.0) {
        let (network, length) = pool;
        node.error(
            findings,
            format!("{} overlaps the services' network {network}/{length}; write another [network] pool, such as \"10.200.0.0/16\"", quoted(text)),
        );
    }
    Some((address, prefix))
}

fn is_unicast(address: Ipv4Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()
}
