//! The kernel's network parameters that the machine depends on.

use std::fs;
use std::io;

use super::error::NetworkError;

/// What every link gets, in order: `ip_forward` first, as it resets others.
const ALL_LINKS: &[(&str, &str)] = &[
    ("net/ipv4/ip_forward", "1"),
    // Loose: a machine with two uplinks may answer by the other one. Spoofing by services is the
    // ruleset's business.
    ("net/ipv4/conf/all/rp_filter", "2"),
    ("net/ipv4/conf/default/rp_filter", "2"),
    ("net/ipv4/conf/all/accept_redirects", "0"),
    ("net/ipv4/conf/default/accept_redirects", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv4/conf/all/accept_source_route", "0"),
    ("net/ipv4/conf/default/accept_source_route", "0"),
];

/// What passes from one service to another inside the bridge is not the ruleset's business. Where
/// a kernel has br_netfilter it would be, and a service could not reach itself by a published port.
const BRIDGE_FILTER: &str = "net/bridge/bridge-nf-call-iptables";

/// Writes what all links get.
pub(super) fn apply_to_all_links() -> Result<(), NetworkError> {
    match write(BRIDGE_FILTER, "0") {
        Err(NetworkError::Sysctl { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    ALL_LINKS
        .iter()
        .try_for_each(|(parameter, value)| write(parameter, value))
}

/// Writes what the bridge gets: a port published on 127.0.0.1 is translated for the machine's own
/// processes, whose packets then leave by the bridge with a loopback source (`route_localnet`). The
/// ruleset keeps services from the machine's loopback.
pub(super) fn apply_to_bridge(bridge: &str) -> Result<(), NetworkError> {
    write(&format!("net/ipv4/conf/{bridge}/route_localnet"), "1")
}

fn write(parameter: &str, value: &str) -> Result<(), NetworkError> {
    let path = format!("/proc/sys/{parameter}");
    fs::write(&path, value).map_err(|source| NetworkError::Sysctl { path, source })
}
