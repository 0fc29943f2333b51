//! Ports of the workstation that lead into the machine.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::ForwardedPort;

/// `--forward [IP:]PORT:MACHINE-PORT[/udp]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardSpec {
    /// The workstation's address.
    pub address: Ipv4Addr,
    /// The workstation's port; 0 for any free one.
    pub port: u16,
    /// The machine's port.
    pub machine_port: u16,
    /// UDP rather than TCP.
    pub udp: bool,
}

impl FromStr for ForwardSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no forward; write 8080:80 or 127.0.0.1:8080:80/tcp");
        let (ports, udp) = match text.split_once('/') {
            None => (text, false),
            Some((ports, "tcp")) => (ports, false),
            Some((ports, "udp")) => (ports, true),
            Some(_) => return Err(wrong()),
        };
        let mut parts = ports.rsplitn(3, ':');
        let mut port = || parts.next().and_then(|p| p.parse::<u16>().ok());
        let machine_port = port().filter(|p| *p > 0).ok_or_else(wrong)?;
        let host_port = port().ok_or_else(wrong)?;
        let address = match parts.next() {
            None => Ipv4Addr::LOCALHOST,
            Some(ip) => ip.parse().map_err(|_| wrong())?,
        };
        Ok(Self {
            address,
            port: host_port,
            machine_port,
            udp,
        })
    }
}

/// One forward as it will be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Forward {
    /// Who publishes the port; nobody for a port that only `--forward` names.
    pub(super) service: Option<String>,
    /// The workstation's address.
    pub(super) address: Ipv4Addr,
    /// The workstation's port; 0 until [`settle`] has found a free one.
    pub(super) port: u16,
    /// The machine's port.
    pub(super) machine_port: u16,
    /// The port inside the service's container.
    pub(super) container_port: Option<u16>,
    /// UDP rather than TCP.
    pub(super) udp: bool,
}

impl Forward {
    /// For QEMU's `-netdev user`.
    pub(super) fn hostfwd(&self) -> String {
        let protocol = if self.udp { "udp" } else { "tcp" };
        let (address, port) = (self.address, self.port);
        format!("hostfwd={protocol}:{address}:{port}-:{}", self.machine_port)
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = if self.address.is_unspecified() {
            Ipv4Addr::LOCALHOST
        } else {
            self.address
        };
        let port = self.port;
        match (self.container_port, self.udp) {
            (Some(80 | 8080), false) => write!(f, "http://{address}:{port}/")?,
            (_, false) => write!(f, "{address}:{port}")?,
            (_, true) => write!(f, "{address}:{port}/udp")?,
        }
        match &self.service {
            Some(service) => write!(f, " ({service})"),
            None => write!(f, " (port {} of the machine)", self.machine_port),
        }
    }
}

/// The forwards that the manifests' ports and the command line ask for together.
pub(super) fn plan(ports: &[ForwardedPort], asked: &[ForwardSpec], any: bool) -> Vec<Forward> {
    let mut left = asked.to_vec();
    let mut forwards: Vec<Forward> = ports
        .iter()
        // What is published on the machine's loopback is not for the world outside it.
        .filter(|port| !port.host_ip.is_some_and(|ip| ip.is_loopback()))
        .map(|port| {
            let udp = port.protocol == "udp";
            let mut forward = Forward {
                service: Some(port.service.clone()),
                address: Ipv4Addr::LOCALHOST,
                port: match port.published {
                    _ if any => 0,
                    // The workstation's own is there already.
                    22 if !udp => 2222,
                    published => published,
                },
                machine_port: port.published,
                container_port: Some(port.target),
                udp,
            };
            let same = |spec: &ForwardSpec| spec.machine_port == port.published && spec.udp == udp;
            if let Some(at) = left.iter().position(same) {
                let spec = left.remove(at);
                (forward.address, forward.port) = (spec.address, spec.port);
            }
            forward
        })
        .collect();
    forwards.extend(left.into_iter().map(|spec| Forward {
        service: None,
        address: spec.address,
        port: spec.port,
        machine_port: spec.machine_port,
        container_port: None,
        udp: spec.udp,
    }));
    forwards
}

/// Gives every forward with port 0 a free one, and names every port that is taken.
///
/// # Errors
/// One sentence for each port in use or not allowed.
pub(super) fn settle(forwards: &mut [Forward]) -> Result<()> {
    // Held until all are found, so that no free port is given out twice.
    let mut held = Vec::new();
    let mut sentences = BTreeSet::new();
    for forward in forwards {
        match Held::bind(forward) {
            Ok(socket) => {
                forward.port = socket.port()?;
                held.push(socket);
            }
            Err(error) => {
                sentences.insert(refusal(forward, &error));
            }
        }
    }
    if !sentences.is_empty() {
        bail!("{}", sentences.into_iter().collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

fn refusal(forward: &Forward, error: &std::io::Error) -> String {
    let what = match error.kind() {
        std::io::ErrorKind::AddrInUse => "is in use".to_owned(),
        _ => format!("cannot be listened on: {error}"),
    };
    let (address, port, inner) = (forward.address, forward.port, forward.machine_port);
    let whom = match &forward.service {
        Some(service) => format!("needed by service \"{service}\""),
        None => "asked for by --forward".to_owned(),
    };
    let udp = if forward.udp { "/udp" } else { "" };
    format!(
        "{address}:{port}{udp} {what} ({whom}); end what uses it, or choose another port: --forward 0:{inner}{udp}"
    )
}

enum Held {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Held {
    fn bind(forward: &Forward) -> std::io::Result<Self> {
        let address = SocketAddr::new(IpAddr::V4(forward.address), forward.port);
        if forward.udp {
            UdpSocket::bind(address).map(Held::Udp)
        } else {
            TcpListener::bind(address).map(Held::Tcp)
        }
    }

    fn port(&self) -> Result<u16> {
        let address = match self {
            Held::Tcp(listener) => listener.local_addr(),
            Held::Udp(socket) => socket.local_addr(),
        };
        Ok(address.context("ask for the free port's number")?.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> ForwardedPort {
        ForwardedPort {
            service: "web".to_owned(),
            host_ip: None,
            published: 8080,
            target: 80,
            protocol: "tcp".to_owned(),
        }
    }

    fn spec(text: &str) -> ForwardSpec {
        text.parse().unwrap()
    }

    #[test]
    fn specs_are_read() {
        let read = spec("0.0.0.0:53:5353/udp");
        assert_eq!((read.port, read.machine_port, read.udp), (53, 5353, true));
        assert_eq!(read.address, Ipv4Addr::UNSPECIFIED);
        assert_eq!(spec("0:80").address, Ipv4Addr::LOCALHOST);
        for wrong in ["80", "80:0", "a:80", "1:2:3", "80:80/sctp", "70000:80"] {
            let sentence =
                format!("{wrong:?} is no forward; write 8080:80 or 127.0.0.1:8080:80/tcp");
            assert_eq!(wrong.parse::<ForwardSpec>(), Err(sentence));
        }
    }

    #[test]
    fn a_published_port_is_forwarded_from_the_same_port() {
        let forwards = plan(&[web()], &[], false);
        assert_eq!(forwards[0].hostfwd(), "hostfwd=tcp:127.0.0.1:8080-:8080");
        assert_eq!(forwards[0].to_string(), "http://127.0.0.1:8080/ (web)");
    }

    #[test]
    fn the_command_line_replaces_and_adds() {
        let forwards = plan(&[web()], &[spec("9000:8080"), spec("2222:22")], false);
        let all: Vec<String> = forwards.iter().map(Forward::hostfwd).collect();
        assert_eq!(
            all,
            [
                "hostfwd=tcp:127.0.0.1:9000-:8080",
                "hostfwd=tcp:127.0.0.1:2222-:22"
            ]
        );
    }

    #[test]
    fn what_is_published_on_loopback_stays_inside() {
        let mut port = web();
        port.host_ip = Some(Ipv4Addr::LOCALHOST);
        assert_eq!(plan(&[port], &[], false), []);
    }

    #[test]
    fn a_taken_port_is_named_with_its_service() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        let mut forwards = plan(&[web()], &[spec(&format!("{number}:8080"))], false);
        let error = settle(&mut forwards).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "127.0.0.1:{number} is in use (needed by service \"web\"); end what uses it, \
                 or choose another port: --forward 0:8080"
            )
        );
    }

    #[test]
    fn free_ports_are_found_and_differ() {
        let mut other = web();
        other.published = 8081;
        let mut forwards = plan(&[web(), other], &[], true);
        settle(&mut forwards).unwrap();
        assert_ne!(forwards[0].port, forwards[1].port);
        assert_ne!(forwards[0].port, 0);
    }
}
