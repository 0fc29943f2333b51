//! How far the network is: what `needs` may wait for. Pure.

use std::collections::BTreeSet;

use super::BRIDGE;
use super::link::{Link, LinkName};
use super::owner::Owner;
use orlop_config::compact::gather;

/// What a start may wait for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// The links that have a carrier, but for the machine's loopback and its bridge with its ports.
    pub carriers: BTreeSet<LinkName>,
    /// The machine has an address.
    pub address: bool,
    /// A link with carrier and address has a default route.
    pub online: bool,
}

impl Owner {
    pub(super) fn reach(&self) -> Reach {
        let outside = |link: &Link| {
            let name = link.name.as_str();
            !link.enslaved && !matches!(name, "lo" | BRIDGE)
        };
        let carriers = self.links.values().filter(|link| link.carrier);
        let online = |(index, link): (&u32, &Link)| {
            let gateway = || {
                let wanted = link.wanted(&self.config);
                wanted.is_some_and(|wanted| wanted.gateway.is_some())
            };
            let router = || {
                let lease = self.leases.get(&link.name);
                lease.is_some_and(|terms| terms.router.is_some())
            };
            link.carrier
                && self.addresses.iter().any(|(on, ..)| on == index)
                && (gateway() || router())
        };
        Reach {
            carriers: gather(
                carriers
                    .filter(|link| outside(link))
                    .map(|link| link.name.clone()),
            ),
            address: !self.machine_addresses().is_empty(),
            online: self.links.iter().any(online),
        }
    }
}
