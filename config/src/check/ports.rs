//! Ports of the machine: each can lead to one container only.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::Files;
use crate::tree::quoted;
use crate::{Protocol, ServiceName};

/// Who publishes a port on which address (`None` for all).
type Published = BTreeMap<(u16, Protocol), Vec<(Option<Ipv4Addr>, ServiceName)>>;

/// Two services, or one, that publish the same port: the one later by name is at fault.
pub(super) fn check_ports(files: &mut Files<'_>) {
    let mut published = Published::new();
    for (name, file) in files.iter_mut() {
        let mut told = None;
        for (port, place) in &file.draft.ports {
            let taken = published
                .entry((port.published, port.protocol))
                .or_default();
            let overlaps =
                |ip: Option<Ipv4Addr>| ip.is_none() || port.host_ip.is_none() || ip == port.host_ip;
            match taken.iter().find(|(ip, _)| overlaps(*ip)) {
                // A range is one entry: its first conflict says enough.
                Some(_) if told == Some(place) => {}
                Some((_, other)) => {
                    told = Some(place);
                    let number = port.published;
                    let who = if other == name {
                        "by another entry here".to_owned()
                    } else {
                        format!("by the service {}", quoted(other.as_str()))
                    };
                    let free = number.checked_add(1).unwrap_or(8080);
                    file.findings.error(
                        place,
                        format!(
                            "port {number}/{} of the machine is published {who} too; write another one, such as \"{free}:{}\"",
                            port.protocol, port.target,
                        ),
                    );
                }
                None => taken.push((port.host_ip, name.clone())),
            }
        }
    }
}
