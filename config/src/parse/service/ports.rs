//! `ports`: Compose's short syntax, `[ip:]host[-host]:container[-container][/protocol]`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use toml::de::{DeTable, DeValue};

use crate::scalar::parse_ipv4;
use crate::tree::{Findings, Node, Place, quoted, shown};
use crate::{Protocol, PublishedPort};

/// How many ports one service may publish, ranges counted out.
const MOST: usize = 4096;

pub(super) fn ports(node: &Node<'_>, findings: &mut Findings<'_>) -> Vec<(PublishedPort, Place)> {
    let mut ports = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in node.list(findings).unwrap_or_default() {
        let expanded = match entry.value {
            DeValue::Integer(number) => Err(no_host_port(number.as_str())),
            DeValue::Table(table) => Err(long_syntax(table)),
            _ => match entry.string(findings) {
                Some(text) => published(text),
                None => continue,
            },
        };
        let expanded = match expanded {
            Ok(expanded) => expanded,
            Err(message) => {
                entry.error(findings, message);
                continue;
            }
        };
        if ports.len() + expanded.len() > MOST {
            entry.error(
                findings,
                format!(
                    "makes more than {MOST} ports; write network_mode = \"host\" for that many"
                ),
            );
            return ports;
        }
        for port in expanded {
            if seen.insert(port) {
                ports.push((port, entry.place.clone()));
            } else {
                entry.error(
                    findings,
                    "publishes a port that an entry above publishes too; remove it",
                );
                break;
            }
        }
    }
    ports
}

/// A container's port alone, for which Docker would choose a port of the host.
fn no_host_port(port: &str) -> String {
    let port = shown(port);
    format!(
        "says no port of the machine, and none is chosen at random here; write \"{port}:{port}\""
    )
}

fn long_syntax(table: &DeTable<'_>) -> String {
    let number = |name: &str| match table.get(name).map(|value| value.get_ref()) {
        Some(DeValue::Integer(number)) => Some(number.to_string()),
        Some(DeValue::String(text)) => Some(shown(text)),
        _ => None,
    };
    let target = number("target").unwrap_or_else(|| "80".to_owned());
    let host = number("published").unwrap_or_else(|| "8080".to_owned());
    let protocol = match number("protocol").as_deref() {
        Some("udp") => "/udp",
        _ => "",
    };
    format!("a port as a table is not supported yet; write \"{host}:{target}{protocol}\"")
}

/// The ports that one entry publishes, or the sentence why it does not.
fn published(text: &str) -> Result<Vec<PublishedPort>, String> {
    if text.contains('$') {
        return Err(format!(
            "{} has a variable, and nothing replaces it here; write \"8080:80\"",
            quoted(text)
        ));
    }
    let (body, protocol) = match text.split_once('/') {
        None => (text, Protocol::Tcp),
        Some((body, "tcp")) => (body, Protocol::Tcp),
        Some((body, "udp")) => (body, Protocol::Udp),
        Some((body, other)) => {
            return Err(format!(
                "{} is no protocol that can be published; write \"{}/udp\" or \"{}\"",
                quoted(other),
                shown(body),
                shown(body)
            ));
        }
    };
    if body.contains('[') || body.matches(':').count() > 2 {
        return Err(format!(
            "{} has an IPv6 address, which is not supported yet; write \"127.0.0.1:8080:80\" for the machine alone, or \"8080:80\" for all",
            quoted(text)
        ));
    }
    let (front, container) = match body.rsplit_once(':') {
        Some(parts) => parts,
        None if range(body).is_some() => return Err(no_host_port(body)),
        None => return Err(format!("{} is no port; write \"8080:80\"", quoted(text))),
    };
    let (address, host) = match front.rsplit_once(':') {
        Some((address, host)) => (Some(address), host),
        None => (None, front),
    };
    let host_ip = match address.map(parse_ipv4) {
        // 0.0.0.0 is Docker's way to write all addresses.
        Some(Ok(address)) => Some(address).filter(|address| !address.is_unspecified()),
        Some(Err(what)) => {
            return Err(format!(
                "{} {what}; write \"127.0.0.1:8080:80\" or \"8080:80\"",
                quoted(address.unwrap_or(""))
            ));
        }
        None => None,
    };
    if host.is_empty() {
        return Err(match address {
            // Without it the port would be everybody's.
            Some(address) => format!(
                "says no port of the machine, and none is chosen at random here; write \"{address}:{port}:{port}\"",
                address = shown(address),
                port = shown(container)
            ),
            None => no_host_port(container),
        });
    }
    if host.contains('.') {
        return Err(format!(
            "says no port of the machine; write \"{}:{}:{}\"",
            shown(host),
            shown(container),
            shown(container)
        ));
    }
    let bad = |port: &str| {
        format!(
            "{} is no port from 1 to 65535; write \"8080:80\"",
            quoted(port)
        )
    };
    let targets = range(container).ok_or_else(|| bad(container))?;
    let hosts = range(host).ok_or_else(|| bad(host))?;
    if hosts.len() != targets.len() {
        return Err(format!(
            "{} has {} ports of the machine for {} of the container; write two ranges of one length, such as \"8000-8010:9000-9010\"",
            quoted(text),
            hosts.len(),
            targets.len(),
        ));
    }
    let pairs = hosts.zip(targets);
    Ok(pairs
        .map(|(published, target)| PublishedPort {
            host_ip,
            published,
            target,
            protocol,
        })
        .collect())
}

/// `80` or `8000-8010`, within 1 to 65535.
/// A port, or the first and the last of several.
pub(super) fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_syntax() {
        let one = |text: &str| {
            let ports = published(text).unwrap();
            assert_eq!(ports.len(), 1);
            ports[0]
        };
        let port = one("8080:80");
        assert_eq!(
            (port.published, port.target, port.protocol, port.host_ip),
            (8080, 80, Protocol::Tcp, None)
        );
        assert_eq!(one("53:53/udp").protocol, Protocol::Udp);
        assert_eq!(
            one("127.0.0.1:8080:80/tcp").host_ip,
            Some("127.0.0.1".parse().unwrap())
        );
        assert_eq!(one("0.0.0.0:8080:80").host_ip, None);
        let range = published("8000-8010:9000-9010").unwrap();
        assert_eq!(range.len(), 11);
        assert_eq!((range[10].published, range[10].target), (8010, 9010));
        assert_eq!(published("1-65535:1-65535").unwrap().len(), 65535);
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "80",
            "80-90",
            "80:",
            ":80",
            "0:80",
            "80:0",
            "65536:80",
            "8000-8010:80",
            "90-80:90-80",
            "80:80/sctp",
            "[::1]:80:80",
            "::1:80:80",
            "1.2.3:80:80",
            "127.0.0.1::80",
            "127.0.0.1:80",
            "a:b",
            "80:80:80:80",
            "+80:80",
            "80:80/",
            "localhost:80:80",
        ] {
            assert!(published(text).is_err(), "{text}");
        }
    }
}
