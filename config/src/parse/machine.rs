//! `system.toml`: what is wrong falls back to its default, the rest is used.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use toml::de::DeValue;

use crate::keys::Section;
use crate::parse::service::choice;
use crate::scalar::{address_with_prefix, contains, network_of, parse_ipv4};
use crate::tree::{Document, Fields, Findings, Node, quoted, shown};
use crate::{Access, ConsoleAccess, Kernel, LinkConfig, Machine, NetworkConfig, VolumeName};

/// What `system.toml` says, as far as it could be read.
#[derive(Debug)]
pub(crate) struct MachineDraft {
    /// The machine.
    pub(crate) machine: Machine,
    /// Whether `machine.volumes` is all that the file declares.
    pub(crate) volumes_known: bool,
}

/// Reads `system.toml`.
pub(crate) fn parse_machine(findings: &mut Findings<'_>) -> MachineDraft {
    let document = Document::parse(findings);
    let syntax_errors = findings.len();
    let fields = Fields::read(&document.table, Section::System, "", findings);
    let mut machine = Machine::default();
    if let Some(name) = fields.get("hostname").and_then(|n| hostname(n, findings)) {
        machine.hostname = name;
    }
    if let Some(node) = fields.get("kernel") {
        kernel(node, &mut machine.kernel, findings);
    }
    if let Some(node) = fields.get("network") {
        network(node, &mut machine.network, findings);
    }
    if let Some(access) = fields.get("access").and_then(|n| access(n, findings)) {
        machine.access = access;
    }
    if let Some(sysctls) = fields.get("sysctls").and_then(|n| sysctls(n, findings)) {
        machine.sysctls = sysctls;
    }
    let before = findings.errors();
    if let Some(volumes) = fields.get("volumes").and_then(|n| volumes(n, findings)) {
        machine.volumes = volumes;
    }
    let volumes_known = document.whole && findings.errors() == before;
    findings.drop_echoes(syntax_errors, document.swallowed_from);
    MachineDraft {
        machine,
        volumes_known,
    }
}

/// A host name as RFC 1123 has it: labels of letters, digits and hyphens; 63 bytes in all, as much
/// as the kernel takes.
pub(super) fn hostname(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.string(findings)?;
    let label = |label: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty()
            && label.bytes().all(good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 63 && text.split('.').all(label) {
        return Some(text.to_owned());
    }
    node.refuse(
        findings,
        &format!(
            "{} is no host name: letters, digits, hyphens within and dots between, at most 63",
            quoted(text)
        ),
    );
    None
}

/// The name of a Debian package (Debian policy 5.6.1).
pub(super) fn package(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.string(findings)?;
    let mut bytes = text.bytes();
    let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let rest = |b: u8| first(b) || matches!(b, b'+' | b'-' | b'.');
    if text.len() >= 2 && text.len() <= 128 && bytes.next().is_some_and(first) && bytes.all(rest) {
        return Some(text.to_owned());
    }
    let what = match text.split(['=', ':', '/']).next() {
        Some(name) if name.len() < text.len() && !name.is_empty() => {
            format!(
                "{} is more than a package's name (orlop.lock pins the version); write {}",
                quoted(text),
                quoted(name)
            )
        }
        _ => format!(
            "{} is no Debian package's name; write {}",
            quoted(text),
            node.key.example
        ),
    };
    node.error(findings, what);
    None
}

/// The name of a Debian suite.
pub(super) fn suite(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.string(findings)?;
    let mut bytes = text.bytes();
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.len() <= 64 && bytes.next().is_some_and(|b| b.is_ascii_lowercase()) && bytes.all(rest) {
        return Some(text.to_owned());
    }
    node.refuse(findings, &format!("{} is no Debian suite", quoted(text)));
    None
}

fn kernel(node: &Node<'_>, kernel: &mut Kernel, findings: &mut Findings<'_>) {
    let Some(table) = node.table(findings) else {
        return;
    };
    let fields = Fields::read(table, Section::Kernel, "kernel", findings);
    if let Some(name) = fields.get("debian").and_then(|n| package(n, findings)) {
        kernel.debian = name;
    }
    if let Some(name) = fields.get("suite").and_then(|n| suite(n, findings)) {
        kernel.suite = name;
    }
    if let Some(node) = fields.get("cmdline")
        && let Some(text) = node.string(findings)
    {
        // The kernel takes 2048 bytes in all; the build adds its own.
        if text.len() > 1024 || text.chars().any(char::is_control) {
            node.refuse(findings, "must be one line of at most 1024 bytes");
        } else {
            kernel.cmdline = text.to_owned();
        }
    }
}

fn access(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Access> {
    let fields = Fields::read(node.table(findings)?, Section::Access, "access", findings);
    let node = fields.get("console")?;
    let console = match node.string(findings)? {
        "shell" => ConsoleAccess::Shell,
        "off" => ConsoleAccess::Off,
        "login" => {
            node.error(findings, "\"login\" is not supported yet; write \"off\", or \"shell\" for a shell without a password");
            return None;
        }
        text => {
            choice(node, findings, text, &["shell", "off"]);
            return None;
        }
    };
    Some(Access { console })
}

fn sysctls(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<BTreeMap<String, String>> {
    let mut sysctls = BTreeMap::new();
    for (name, place, value) in node.named(findings)? {
        if let DeValue::Table(_) = value.value {
            findings.error(
                &place,
                "a name with dots needs quotes; write \"net.core.somaxconn\" = 4096",
            );
            continue;
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
        let known = name.len() <= 255 && name.contains(['.', '/']) && name.bytes().all(good);
        if !known
            || name.starts_with(['.', '/'])
            || name.ends_with(['.', '/'])
            || name.contains("..")
        {
            findings.error(
                &place,
                format!(
                    "{} is no sysctl's name; write \"net.core.somaxconn\" = 4096",
                    quoted(name)
                ),
            );
            continue;
        }
        if let Some(is) = value.value.as_bool() {
            value.error(
                findings,
                format!(
                    "must be a number or text; write \"{}\" = {}",
                    shown(name),
                    u8::from(is)
                ),
            );
            continue;
        }
        let Some(text) = value.string_or_number(findings) else {
            continue;
        };
        if text.len() > 1024 || text.chars().any(|c| c.is_control() && c != '\t') {
            value.error(
                findings,
                "must be one line of at most 1024 bytes; write \"net.core.somaxconn\" = 4096",
            );
            continue;
        }
        sysctls.insert(name.to_owned(), text);
    }
    Some(sysctls)
}

fn volumes(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<BTreeSet<VolumeName>> {
    let mut volumes = BTreeSet::new();
    for (name, place, value) in node.named(findings)? {
        if let Some(table) = value.value.as_table() {
            Fields::read(table, Section::Volume, &value.place.key, findings);
        } else {
            value.error(
                findings,
                format!("must be a table; write [volumes.{}]", shown(name)),
            );
        }
        match VolumeName::new(name) {
            Some(name) => {
                volumes.insert(name);
            }
            None => findings.error(
                &place,
                format!("{} is no volume's name; write small letters, digits, - _ and . only, at most 63", quoted(name)),
            ),
        }
    }
    Some(volumes)
}

fn network(node: &Node<'_>, network: &mut NetworkConfig, findings: &mut Findings<'_>) {
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
        // IFNAMSIZ holds 15 bytes; dev_valid_name() in net/core/dev.c refuses the same.
        let bad =
            |b: u8| b.is_ascii_whitespace() || b.is_ascii_control() || matches!(b, b'/' | b':');
        if name.is_empty() || name.len() > 15 || name.starts_with('.') || name.bytes().any(bad) {
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

/// An address that one machine can have.
fn unicast(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Ipv4Addr> {
    let text = node.string(findings)?;
    match parse_ipv4(text) {
        Ok(address) if is_unicast(address) => Some(address),
        Ok(_) => {
            node.refuse(
                findings,
                &format!("{} is no single machine's address", quoted(text)),
            );
            None
        }
        Err(what) => {
            node.refuse(findings, &format!("{} {what}", quoted(text)));
            None
        }
    }
}

fn pool(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<(Ipv4Addr, u8)> {
    let text = node.string(findings)?;
    let (address, prefix) = match address_with_prefix(text) {
        Ok(found) => found,
        Err(what) => {
            node.refuse(findings, &format!("{} {what}", quoted(text)));
            return None;
        }
    };
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
    let (address, prefix) = match address_with_prefix(text) {
        Ok(found) => found,
        Err(what) => {
            node.refuse(findings, &format!("{} {what}", quoted(text)));
            return None;
        }
    };
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
