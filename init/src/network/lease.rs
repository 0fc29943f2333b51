//! A lease that the `dhcp` service reports, checked before anything of it is believed.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::link::LinkName;

/// The most resolvers that are taken from one lease (as many as resolv.conf(5) knows, doubled).
pub const MAX_DNS: usize = 6;
/// The least MTU: what every IPv4 host must take (RFC 791).
const MIN_MTU: u32 = 576;

/// The parameters of `io.orlop.network.Lease`, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which link it is for.
    pub link: LinkName,
    /// What the server gave; `None` when the lease has expired.
    pub terms: Option<LeaseTerms>,
}

/// What a DHCP server gave to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseTerms {
    /// The link's address.
    pub address: Ipv4Addr,
    /// The network's prefix length.
    pub prefix_length: u8,
    /// The default router.
    pub router: Option<Ipv4Addr>,
    /// Resolvers, in order of preference.
    pub dns: Vec<Ipv4Addr>,
    /// The domain's name.
    pub domain: Option<String>,
    /// The link's MTU in bytes.
    pub mtu: Option<u32>,
    /// How long from now the address may be used; for ever when `None`.
    pub lifetime: Option<Duration>,
}

/// Why a lease is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The link does not exist, or its address does not come by DHCP.
    #[error("link {link} does not take its address from DHCP")]
    NotWanted {
        /// The link named.
        link: String,
    },
    /// Not an address that a host can have.
    #[error("{address} is not a host's address")]
    Address {
        /// The address offered.
        address: Ipv4Addr,
    },
    /// Not 1 to 32, or the address is the network's own or its broadcast address.
    #[error("{address}/{prefix_length} is not an address in a network")]
    Prefix {
        /// The address offered.
        address: Ipv4Addr,
        /// The prefix length offered.
        prefix_length: u8,
    },
    /// The address lies in the network of the machine's own bridge.
    #[error("{address} lies in the pool of the machine's services")]
    Pool {
        /// The address offered.
        address: Ipv4Addr,
    },
    /// The router is no host's address, or the link's own.
    #[error("{router} is not a router's address")]
    Router {
        /// The router offered.
        router: Ipv4Addr,
    },
    /// More resolvers than are taken.
    #[error("{count} resolvers, at most {MAX_DNS} are taken")]
    TooManyResolvers {
        /// How many.
        count: usize,
    },
    /// A resolver is no host's address.
    #[error("{resolver} is not a resolver's address")]
    Resolver {
        /// The resolver offered.
        resolver: Ipv4Addr,
    },
    /// Not a domain name.
    #[error("the domain is not a domain name")]
    Domain,
    /// Below 576 or above what the link takes.
    #[error("an MTU of {mtu}, the link takes {MIN_MTU} to {most}")]
    Mtu {
        /// The MTU offered.
        mtu: u32,
        /// The most that the link takes.
        most: u32,
    },
    /// A lease that is over before it can be renewed.
    #[error("a lifetime of {seconds} s")]
    Lifetime {
        /// How long.
        seconds: u64,
    },
    /// The kernel refused what the lease asks for, or the network is not there.
    #[error("{reason}")]
    Apply {
        /// The chain of errors, one fragment.
        reason: String,
    },
}

impl LeaseTerms {
    /// Checks every field by itself and against the link (`max_mtu`, 0 for no limit known) and the
    /// pool of the machine's bridge.
    pub(super) fn check(&self, max_mtu: u32, pool: (Ipv4Addr, u8)) -> Result<(), LeaseError> {
        let address = self.address;
        if !is_host(address) {
            return Err(LeaseError::Address { address });
        }
        let prefix_length = self.prefix_length;
        let host_bits = match prefix_length {
            1..=32 => !mask(prefix_length),
            _ => {
                return Err(LeaseError::Prefix {
                    address,
                    prefix_length,
                });
            }
        };
        let host = address.to_bits() & host_bits;
        if prefix_length < 31 && (host == 0 || host == host_bits) {
            return Err(LeaseError::Prefix {
                address,
                prefix_length,
            });
        }
        if (address.to_bits() ^ pool.0.to_bits()) & mask(pool.1) == 0 {
            return Err(LeaseError::Pool { address });
        }
        if let Some(router) = self.router
            && (!is_host(router) || router == address)
        {
            return Err(LeaseError::Router { router });
        }
        if self.dns.len() > MAX_DNS {
            return Err(LeaseError::TooManyResolvers {
                count: self.dns.len(),
            });
        }
        if let Some(&resolver) = self
            .dns
            .iter()
            .find(|dns| !is_host(**dns) && !dns.is_loopback())
        {
            return Err(LeaseError::Resolver { resolver });
        }
        if self
            .domain
            .as_deref()
            .is_some_and(|domain| !is_domain(domain))
        {
            return Err(LeaseError::Domain);
        }
        let most = if max_mtu == 0 { 65_535 } else { max_mtu };
        if let Some(mtu) = self.mtu
            && !(MIN_MTU..=most).contains(&mtu)
        {
            return Err(LeaseError::Mtu { mtu, most });
        }
        match self.lifetime {
            Some(lifetime) if lifetime < Duration::from_secs(1) => Err(LeaseError::Lifetime {
                seconds: lifetime.as_secs(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether the router is reached through the address's own network; else it is said to the
    /// kernel to be on the link (`onlink`).
    pub(super) fn router_in_network(&self, router: Ipv4Addr) -> bool {
        (router.to_bits() ^ self.address.to_bits()) & mask(self.prefix_length) == 0
    }
}

fn mask(prefix_length: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix_length.min(32)))
        .unwrap_or(0)
}

/// An address that one host on a network can have.
fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && !address.is_loopback() && first < 224
}

/// RFC 1123 names: labels of letters, digits, `-` and `_`, at most 253 bytes.
fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    domain.len() <= 253 && domain.trim_end_matches('.').split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: (Ipv4Addr, u8) = (Ipv4Addr::new(172, 29, 0, 0), 16);

    fn slirp() -> LeaseTerms {
        LeaseTerms {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix_length: 24,
            router: Some(Ipv4Addr::new(10, 0, 2, 2)),
            dns: vec![Ipv4Addr::new(10, 0, 2, 3)],
            domain: Some("example.org".to_owned()),
            mtu: Some(1500),
            lifetime: Some(Duration::from_secs(86_400)),
        }
    }

    fn refusal(change: impl FnOnce(&mut LeaseTerms)) -> LeaseError {
        let mut terms = slirp();
        change(&mut terms);
        terms.check(9000, POOL).unwrap_err()
    }

    #[test]
    fn a_plain_lease_is_taken() {
        slirp().check(9000, POOL).unwrap();
        LeaseTerms {
            prefix_length: 32,
            ..slirp()
        }
        .check(0, POOL)
        .unwrap();
        LeaseTerms {
            mtu: Some(65_535),
            lifetime: None,
            ..slirp()
        }
        .check(0, POOL)
        .unwrap();
    }

    #[test]
    fn what_no_host_can_have_is_refused() {
        for address in [
            [0, 0, 0, 0],
            [127, 0, 0, 1],
            [224, 0, 0, 1],
            [255, 255, 255, 255],
        ] {
            let address = Ipv4Addr::from(address);
            assert_eq!(
                refusal(|terms| terms.address = address),
                LeaseError::Address { address }
            );
        }
        for (last, prefix_length) in [(0, 24), (255, 24), (15, 0), (15, 33)] {
            let address = Ipv4Addr::new(10, 0, 2, last);
            let found = refusal(|terms| {
                terms.address = address;
                terms.prefix_length = prefix_length;
            });
            assert_eq!(
                found,
                LeaseError::Prefix {
                    address,
                    prefix_length
                }
            );
        }
    }

    #[test]
    fn a_server_cannot_take_over_the_services_network() {
        let address = Ipv4Addr::new(172, 29, 3, 4);
        assert_eq!(
            refusal(|terms| terms.address = address),
            LeaseError::Pool { address }
        );
    }

    #[test]
    fn every_other_field_is_bounded() {
        let multicast = Ipv4Addr::new(239, 1, 1, 1);
        assert_eq!(
            refusal(|terms| terms.router = Some(multicast)),
            LeaseError::Router { router: multicast }
        );
        assert_eq!(
            refusal(|terms| terms.dns = vec![Ipv4Addr::new(10, 0, 2, 3); 7]),
            LeaseError::TooManyResolvers { count: 7 }
        );
        assert_eq!(
            refusal(|terms| terms.dns = vec![multicast]),
            LeaseError::Resolver {
                resolver: multicast
            }
        );
        for domain in ["a\nnameserver 6.6.6.6", "", "a..b", "x y"] {
            assert_eq!(
                refusal(|terms| terms.domain = Some(domain.to_owned())),
                LeaseError::Domain
            );
        }
        for mtu in [0, 575, 9001] {
            assert_eq!(
                refusal(|terms| terms.mtu = Some(mtu)),
                LeaseError::Mtu { mtu, most: 9000 }
            );
        }
        assert_eq!(
            refusal(|terms| terms.lifetime = Some(Duration::ZERO)),
            LeaseError::Lifetime { seconds: 0 }
        );
    }

    #[test]
    fn a_router_outside_of_the_network_is_on_the_link() {
        let terms = slirp();
        assert!(terms.router_in_network(Ipv4Addr::new(10, 0, 2, 2)));
        assert!(!terms.router_in_network(Ipv4Addr::new(10, 0, 3, 1)));
    }
}
