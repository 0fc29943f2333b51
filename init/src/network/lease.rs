//! What only the machine's network can know of a lease that the `dhcp` service reports: the rest
//! `orlop_control` has checked when it read the call.

use std::net::Ipv4Addr;

use orlop_control::LeaseTerms;

use super::link::Link;
use super::pool::Pool;

/// Why a lease is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The link does not exist, or its address does not come by DHCP.
    #[error("link {link} does not take its address from DHCP")]
    NotWanted {
        /// The link named.
        link: String,
    },
    /// The address lies in the network of the machine's own bridge.
    #[error("{address} lies in the pool of the machine's services")]
    Pool {
        /// The address offered.
        address: Ipv4Addr,
    },
    /// Above what the link takes.
    #[error("an MTU of {mtu}, the link takes at most {most}")]
    Mtu {
        /// The MTU offered, in bytes.
        mtu: u32,
        /// The most that the link takes.
        most: u32,
    },
    /// The kernel refused what the lease asks for, or the network is not there.
    #[error("{reason}")]
    Apply {
        /// The chain of errors, one fragment.
        reason: String,
    },
}

/// Checks a lease against the link and the network of the machine's bridge.
pub(super) fn check(terms: &LeaseTerms, link: &Link, pool: &Pool) -> Result<(), LeaseError> {
    let address = terms.address;
    if pool.contains(address) {
        return Err(LeaseError::Pool { address });
    }
    let most = link.max_mtu;
    match terms.mtu.map(u32::from) {
        Some(mtu) if most != 0 && mtu > most => Err(LeaseError::Mtu { mtu, most }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::LinkName;
    use super::*;

    fn checked(address: [u8; 4], mtu: Option<u16>, max_mtu: u32) -> Result<(), LeaseError> {
        let link = Link {
            name: LinkName::new("eth0").unwrap(),
            ethernet: true,
            virtual_kind: false,
            enslaved: false,
            carrier: true,
            mtu: 1500,
            max_mtu,
        };
        let terms = LeaseTerms {
            link: "eth0".to_owned(),
            address: address.into(),
            prefix_length: 24,
            router: None,
            dns: Vec::new(),
            domain: None,
            mtu,
            lifetime_s: 86_400,
        };
        let pool = Pool::new((Ipv4Addr::new(172, 29, 0, 0), 16), []);
        check(&terms, &link, &pool)
    }

    #[test]
    fn a_server_cannot_take_over_the_services_network() {
        checked([10, 0, 2, 15], None, 9000).unwrap();
        checked([172, 30, 0, 1], None, 9000).unwrap();
        let address = Ipv4Addr::new(172, 29, 3, 4);
        assert_eq!(
            checked(address.octets(), None, 9000),
            Err(LeaseError::Pool { address })
        );
    }

    #[test]
    fn an_mtu_is_what_the_link_takes() {
        checked([10, 0, 2, 15], Some(9000), 9000).unwrap();
        checked([10, 0, 2, 15], Some(u16::MAX), 0).unwrap();
        assert_eq!(
            checked([10, 0, 2, 15], Some(9001), 9000),
            Err(LeaseError::Mtu {
                mtu: 9001,
                most: 9000
            })
        );
    }
}
