//! What a service adds to the names that it finds: `domainname extra_hosts dns dns_search dns_opt`.

use std::net::{IpAddr, Ipv4Addr};

/// One line of `extra_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Where it leads.
    pub address: HostAddress,
}

/// Where a name of `extra_hosts` leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostAddress {
    /// To this address.
    Address(IpAddr),
    /// `host-gateway`: to the machine, at the bridge's own address.
    HostGateway,
}

/// What a service's resolv.conf(5) says in place of the machine's, or besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolver {
    /// `dns`: in place of the machine's resolvers; those when empty.
    pub dns: Vec<Ipv4Addr>,
    /// `dns_search`: domains that short names are tried in.
    pub search: Vec<String>,
    /// `dns_opt`: words for the `options` line, such as `ndots:2`.
    pub options: Vec<String>,
}
