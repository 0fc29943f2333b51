//! `io.orlop.network.Lease`: what the `dhcp` service asks PID 1 to configure. The bytes behind it came
//! from the network, so everything is range-checked here, before PID 1 acts on it.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most resolvers that a lease may name: as many as resolv.conf(5) knows, doubled.
pub const MAX_DNS: usize = 6;
/// The least MTU in bytes: what every IPv4 host must take (RFC 791).
const MIN_MTU: u16 = 576;

/// News of one link's lease. Every value has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LeaseParameters", into = "LeaseParameters")]
pub enum Lease {
    /// Bound or renewed.
    Bound(LeaseTerms),
    /// Over: take everything of it away.
    Expired {
        /// The interface.
        link: String,
    },
}

/// What a lease gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseTerms {
    /// The interface.
    pub link: String,
    /// The machine's address, a unicast one, neither its network's own nor its broadcast address.
    pub address: Ipv4Addr,
    /// 1 to 32.
    pub prefix_length: u8,
    /// The default router, not the machine itself; it may lie outside of the network.
    pub router: Option<Ipv4Addr>,
    /// Resolvers, at most [`MAX_DNS`].
    pub dns: Vec<Ipv4Addr>,
    /// The search domain: letters, digits, `-`, `_` and dots.
    pub domain: Option<String>,
    /// 576 or more, bytes.
    pub mtu: Option<u16>,
    /// Seconds, at least 1; 4294967295 is forever.
    pub lifetime_s: u32,
}

/// As it travels.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaseParameters {
    link: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<Ipv4Addr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix_length: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    router: Option<Ipv4Addr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dns: Vec<Ipv4Addr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtu: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifetime_s: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    expired: bool,
}

/// What is wrong with a lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Not a name that the kernel gives an interface.
    #[error("link is not the name of an interface")]
    Link,
    /// Missing, though the lease has not expired.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Not an address that a host can have.
    #[error("{0} {1} is not a unicast address")]
    NotUnicast(&'static str, Ipv4Addr),
    /// The network's own address or its broadcast address.
    #[error("address {0}/{1} is not a host's in its network")]
    NotHost(Ipv4Addr, u8),
    /// The link's own address.
    #[error("router {0} is the link's own address")]
    OwnRouter(Ipv4Addr),
    /// Out of range.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// Not a domain name.
    #[error("domain is not a domain name")]
    Domain,
}

impl Lease {
    /// The interface that it is about.
    #[must_use]
    pub fn link(&self) -> &str {
        match self {
            Self::Bound(terms) => &terms.link,
            Self::Expired { link } => link,
        }
    }
}

impl TryFrom<LeaseParameters> for Lease {
    type Error = LeaseError;

    fn try_from(parameters: LeaseParameters) -> Result<Self, LeaseError> {
        let link = parameters.link;
        if !is_interface(&link) {
            return Err(LeaseError::Link);
        }
        if parameters.expired {
            return Ok(Self::Expired { link });
        }
        let terms = LeaseTerms {
            link,
            address: parameters.address.ok_or(LeaseError::Missing("address"))?,
            prefix_length: parameters
                .prefix_length
                .ok_or(LeaseError::Missing("prefix_length"))?,
            router: parameters.router,
            dns: parameters.dns,
            domain: parameters.domain,
            mtu: parameters.mtu,
            lifetime_s: parameters
                .lifetime_s
                .ok_or(LeaseError::Missing("lifetime_s"))?,
        };
        terms.check()?;
        Ok(Self::Bound(terms))
    }
}

impl LeaseTerms {
    /// How long from now the address may be used; for ever when `None`.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        let bounded = self.lifetime_s != u32::MAX;
        bounded.then(|| Duration::from_secs(self.lifetime_s.into()))
    }

    /// Whether an address lies in the link's own network.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) & !self.host_bits() == 0
    }

    fn host_bits(&self) -> u32 {
        u32::MAX.checked_shr(self.prefix_length.into()).unwrap_or(0)
    }

    fn check(&self) -> Result<(), LeaseError> {
        let named = [("address", Some(self.address)), ("router", self.router)];
        let dns = self.dns.iter().map(|dns| ("dns", Some(*dns)));
        for (key, address) in named.into_iter().chain(dns) {
            if let Some(address) = address
                && !is_unicast(address)
            {
                return Err(LeaseError::NotUnicast(key, address));
            }
        }
        let ranges = [
            ("prefix_length", (1..=32).contains(&self.prefix_length)),
            ("dns", self.dns.len() <= MAX_DNS),
            ("mtu", self.mtu.is_none_or(|mtu| mtu >= MIN_MTU)),
            ("lifetime_s", self.lifetime_s >= 1),
        ];
        if let Some((key, _)) = ranges.into_iter().find(|(_, good)| !good) {
            return Err(LeaseError::Range(key));
        }
        let (host, host_bits) = (self.address.to_bits() & self.host_bits(), self.host_bits());
        // RFC 3021: a network of two hosts has no broadcast address.
        if self.prefix_length < 31 && (host == 0 || host == host_bits) {
            return Err(LeaseError::NotHost(self.address, self.prefix_length));
        }
        if let Some(router) = self.router.filter(|router| *router == self.address) {
            return Err(LeaseError::OwnRouter(router));
        }
        match &self.domain {
            Some(domain) if !is_domain(domain) => Err(LeaseError::Domain),
            _ => Ok(()),
        }
    }
}

impl From<Lease> for LeaseParameters {
    fn from(lease: Lease) -> Self {
        let (link, terms) = match lease {
            Lease::Bound(terms) => (terms.link.clone(), Some(terms)),
            Lease::Expired { link } => (link, None),
        };
        let some = terms.as_ref();
        Self {
            link,
            address: some.map(|t| t.address),
            prefix_length: some.map(|t| t.prefix_length),
            router: some.and_then(|t| t.router),
            domain: some.and_then(|t| t.domain.clone()),
            mtu: some.and_then(|t| t.mtu),
            lifetime_s: some.map(|t| t.lifetime_s),
            expired: terms.is_none(),
            dns: terms.map(|t| t.dns).unwrap_or_default(),
        }
    }
}

/// As the kernel's `dev_valid_name`, without what would confuse a terminal.
fn is_interface(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b':'))
}

/// Neither 0/8, 127/8, multicast nor what is above.
fn is_unicast(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    (1..=223).contains(&first) && first != 127
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    domain.len() <= 253
        && domain
            .strip_suffix('.')
            .unwrap_or(domain)
            .split('.')
            .all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Lease, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    const GOOD: &str = r#"{"link":"eth0","address":"10.0.2.15","prefix_length":24,"router":"10.0.2.2","dns":["10.0.2.3"],"domain":"lan.example","mtu":1500,"lifetime_s":86400}"#;

    #[test]
    fn a_lease_survives_the_wire() {
        let lease = parse(GOOD).unwrap();
        assert_eq!(serde_json::to_string(&lease).unwrap(), GOOD);
        let over = parse(r#"{"link":"eth0","expired":true}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&over).unwrap(),
            r#"{"link":"eth0","expired":true}"#
        );
        assert_eq!(over.link(), "eth0");
    }

    #[test]
    fn what_the_network_must_not_do_is_refused_by_name() {
        let cases = [
            ("eth0", "../../etc", "link"),
            ("eth0", "a23456789012345x", "link"),
            ("10.0.2.15", "224.0.0.1", "address"),
            ("10.0.2.15", "0.0.0.0", "address"),
            ("\"10.0.2.2\"", "\"127.0.0.1\"", "router"),
            ("\"10.0.2.2\"", "\"10.0.2.15\"", "router"),
            ("10.0.2.15", "10.0.2.0", "address"),
            ("10.0.2.15", "10.0.2.255", "address"),
            ("[\"10.0.2.3\"]", "[\"255.255.255.255\"]", "dns"),
            (
                "[\"10.0.2.3\"",
                r#"["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4","1.1.1.5","1.1.1.6","1.1.1.7""#,
                "dns",
            ),
            (":24", ":33", "prefix_length"),
            (":24", ":0", "prefix_length"),
            ("1500", "575", "mtu"),
            ("86400", "0", "lifetime_s"),
            ("lan.example", "", "domain"),
            ("lan.example", "a..b", "domain"),
            ("lan.example", "x y", "domain"),
            ("lan.example", "lan\\nnameserver 1.2.3.4", "domain"),
            ("\"link\"", "\"color\":1,\"link\"", "color"),
            ("\"address\":\"10.0.2.15\",", "", "address"),
        ];
        for (from, to, key) in cases {
            let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(key), "{to}: {error}");
        }
    }

    fn terms(from: &str, to: &str) -> LeaseTerms {
        match parse(&GOOD.replacen(from, to, 1)).unwrap() {
            Lease::Bound(terms) => terms,
            Lease::Expired { .. } => panic!("{GOOD} has not expired"),
        }
    }

    #[test]
    fn a_network_of_one_or_two_hosts_has_no_broadcast_address() {
        let [two, one] = [31, 32].map(|prefix| terms(":24", &format!(":{prefix}")));
        assert!(two.contains(Ipv4Addr::new(10, 0, 2, 14)));
        assert!(one.contains(one.address));
        assert!(!one.contains(Ipv4Addr::new(10, 0, 2, 14)));
    }

    #[test]
    fn a_router_may_lie_outside_of_the_network() {
        let beyond = terms("10.0.2.2", "10.0.3.1");
        assert!(!beyond.contains(beyond.router.unwrap()));
        let inside = terms("", "");
        assert!(inside.contains(inside.router.unwrap()));
    }

    #[test]
    fn the_longest_lifetime_is_for_ever() {
        assert_eq!(terms("", "").lifetime(), Some(Duration::from_secs(86_400)));
        assert_eq!(terms("86400", "4294967295").lifetime(), None);
    }
}
