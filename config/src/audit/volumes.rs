//! What services share: volumes that somebody else has too, and ports.

use std::collections::BTreeMap;

use super::{Found, Reach};
use crate::{Protocol, Service, ServiceName, VolumeName, VolumeSource};

pub(super) fn look(
    service: &Service,
    services: &BTreeMap<ServiceName, Service>,
    found: &mut Found<'_>,
) {
    for mount in service.volumes.iter().filter(|mount| !mount.read_only) {
        let VolumeSource::Named(volume) = &mount.source else {
            continue;
        };
        let others: Vec<&str> = services
            .values()
            .filter(|other| other.name != service.name && has(other, volume))
            .map(|other| other.name.as_str())
            .collect();
        if !others.is_empty() {
            let target = mount.target.display();
            found.add(
                Reach::Services,
                format!("volumes = [\"{volume}:{target}\"]"),
                format!("it writes what {} also uses", others.join(", ")),
                format!("volumes = [\"{volume}:{target}:ro\"] in all but the one that writes"),
            );
        }
    }
    for port in &service.ports {
        let loopback = port.host_ip.is_some_and(|address| address.is_loopback());
        if loopback {
            continue;
        }
        let protocol = match port.protocol {
            Protocol::Tcp => "",
            Protocol::Udp => "/udp",
        };
        let (from, whom) = match port.host_ip {
            Some(address) => (format!("{address}:"), format!("who reaches {address}")),
            None => (
                String::new(),
                "everybody who reaches the machine".to_owned(),
            ),
        };
        let ports = format!("{}:{}{protocol}", port.published, port.target);
        found.add(
            Reach::Services,
            format!("ports = [\"{from}{ports}\"]"),
            format!("{whom} may speak to it"),
            format!("ports = [\"127.0.0.1:{ports}\"], if only the machine itself is to reach it"),
        );
    }
}

fn has(service: &Service, volume: &VolumeName) -> bool {
    service
        .volumes
        .iter()
        .any(|mount| matches!(&mount.source, VolumeSource::Named(name) if name == volume))
}
