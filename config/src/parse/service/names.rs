//! `domainname extra_hosts dns dns_search dns_opt`.

use std::net::{IpAddr, Ipv4Addr};

use toml::de::DeValue;

use crate::parse::machine::unicast;
use crate::tree::{Fields, Findings, Node, quoted, shown};
use crate::{ExtraHost, HostAddress, Resolver};

/// How many resolvers the C libraries ask (MAXNS of resolv.h and of musl's lookup.h).
const ASKED: usize = 3;

pub(super) fn extra_hosts(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<ExtraHost>> {
    let mut hosts = Vec::new();
    match node.value {
        DeValue::Array(_) => {
            for entry in node.list(findings)? {
                let Some(text) = entry.string(findings) else {
                    continue;
                };
                // A name has no colon, so the first one ends it; an IPv6 address has more.
                let parts = text.split_once('=').or(text.split_once(':'));
                // As in a hosts file: the other way round, which is said below.
                let of_a_file = || {
                    text.split_once(' ')
                        .filter(|(a, _)| parse_address(a).is_some())
                };
                let Some((name, address)) = parts.or_else(of_a_file) else {
                    entry.refuse(findings, &format!("{} has no address", quoted(text)));
                    continue;
                };
                hosts.extend(host(&entry, name.trim(), address.trim(), findings));
            }
        }
        DeValue::Table(_) => {
            for (name, _, value) in node.named(findings)? {
                let addresses = value.one_or_list(findings);
                if addresses.as_ref().is_some_and(Vec::is_empty) {
                    value.refuse(findings, &format!("{} has no address", quoted(name)));
                }
                for entry in addresses.unwrap_or_default() {
                    let Some(text) = entry.string(findings) else {
                        continue;
                    };
                    hosts.extend(host(&entry, name, text, findings));
                }
            }
        }
        _ => node.wrong_type(findings, "a list of \"name:address\", or a table"),
    }
    Some(hosts)
}

fn host(
    node: &Node<'_>,
    name: &str,
    address: &str,
    findings: &mut Findings<'_>,
) -> Option<ExtraHost> {
    if parse_address(name).is_some() {
        let (name, address) = (shown(name), shown(address));
        node.error(
            findings,
            format!("the name goes before the address; write \"{address}:{name}\""),
        );
        return None;
    }
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if name.is_empty() || name.len() > 253 || !name.bytes().all(good) {
        node.refuse(findings, &format!("{} is no host's name", quoted(name)));
        return None;
    }
    let Some(address) = parse_address(address) else {
        node.refuse(
            findings,
            &format!(
                "{} is neither an address nor \"host-gateway\"",
                quoted(address)
            ),
        );
        return None;
    };
    let name = name.to_owned();
    Some(ExtraHost { name, address })
}

/// An address of either family, IPv6 in brackets or not; or Compose's word for the machine.
fn parse_address(text: &str) -> Option<HostAddress> {
    if text == "host-gateway" {
        return Some(HostAddress::HostGateway);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address: IpAddr = bare.unwrap_or(text).parse().ok()?;
    Some(HostAddress::Address(address))
}

/// `dns`, `dns_search` and `dns_opt`.
pub(super) fn resolver(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Resolver {
    let mut all = |key, parse: fn(&Node<'_>, &str, &mut Findings<'_>) -> Option<String>| {
        let entries = fields.get(key).and_then(|n| n.one_or_list(findings));
        let mut words = Vec::new();
        for entry in entries.unwrap_or_default() {
            let text = entry.string(findings);
            words.extend(text.and_then(|text| parse(&entry, text, findings)));
        }
        words
    };
    let mut search = all("dns_search", domain);
    // Docker's way to say none at all.
    search.retain(|domain| domain != ".");
    Resolver {
        search,
        options: all("dns_opt", option),
        dns: fields
            .get("dns")
            .and_then(|n| servers(n, findings))
            .unwrap_or_default(),
    }
}

fn servers(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<Ipv4Addr>> {
    let entries = node.one_or_list(findings)?;
    if entries.len() > ASKED {
        let message = format!("no program asks more than {ASKED} resolvers; remove the others");
        findings.warning(&node.place, message);
    }
    let servers = entries.iter().filter_map(|entry| unicast(entry, findings));
    Some(servers.collect())
}

fn domain(node: &Node<'_>, text: &str, findings: &mut Findings<'_>) -> Option<String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(good);
    let bare = text.strip_suffix('.').unwrap_or(text);
    if text == "." || (bare.len() <= 253 && bare.split('.').all(label)) {
        return Some(text.to_owned());
    }
    node.refuse(findings, &format!("{} is no domain", quoted(text)));
    None
}

fn option(node: &Node<'_>, text: &str, findings: &mut Findings<'_>) -> Option<String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':');
    if (1..=63).contains(&text.len()) && text.bytes().all(good) {
        return Some(text.to_owned());
    }
    node.refuse(
        findings,
        &format!("{} is no option of resolv.conf(5)", quoted(text)),
    );
    None
}
