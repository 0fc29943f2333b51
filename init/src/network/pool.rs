//! Which address of the bridge's network a service has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use orlop_config::ServiceName;

/// The bridge's network: its first address is the bridge's, the last one the broadcast address.
///
/// A service's address follows from its name, and where two names fall on the same address, from
/// their order in the alphabet: as long as all that are wanted are given theirs at once, it is the
/// same after every restart, however long the service was stopped, and after every boot. So what
/// others know of it (`/etc/hosts`, a neighbour cache, a log) stays true.
#[derive(Debug, Clone)]
pub struct Pool {
    network: u32,
    prefix: u8,
    given: BTreeMap<ServiceName, u32>,
    taken: BTreeSet<u32>,
}

impl Pool {
    /// The pool of `[network] pool`, with an address for each of these services, in this order, as
    /// far as there are any.
    #[must_use]
    pub fn new<'a>(
        (network, prefix): (Ipv4Addr, u8),
        services: impl IntoIterator<Item = &'a ServiceName>,
    ) -> Self {
        let prefix = prefix.min(30);
        let mut pool = Self {
            network: network.to_bits() & mask(prefix),
            prefix,
            given: BTreeMap::new(),
            taken: BTreeSet::new(),
        };
        for service in services {
            let _used_up = pool.address(service);
        }
        pool
    }

    /// The bridge's own address.
    #[must_use]
    pub fn bridge(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network | 1)
    }

    /// The network and its prefix length.
    pub(super) fn network(&self) -> (Ipv4Addr, u8) {
        (Ipv4Addr::from_bits(self.network), self.prefix)
    }

    /// Whether an address lies in the network.
    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.network
    }

    /// The service's address, if it was given one.
    #[must_use]
    pub fn given(&self, service: &ServiceName) -> Option<Ipv4Addr> {
        let offset = self.given.get(service)?;
        Some(Ipv4Addr::from_bits(self.network | offset))
    }

    /// The service's address, which it keeps for good. `None` when all are given.
    pub(super) fn address(&mut self, service: &ServiceName) -> Option<Ipv4Addr> {
        match self.given(service) {
            Some(address) => Some(address),
            None => self.give(service),
        }
    }

    fn give(&mut self, service: &ServiceName) -> Option<Ipv4Addr> {
        // Without the network itself, the bridge and the broadcast address.
        let usable = !mask(self.prefix) - 2;
        let start = fnv1a(service.as_str()) % usable;
        let offset = (0..usable)
            .map(|step| 2 + (start + step) % usable)
            .find(|offset| !self.taken.contains(offset))?;
        self.taken.insert(offset);
        self.given.insert(service.clone(), offset);
        Some(Ipv4Addr::from_bits(self.network | offset))
    }
}

/// The bits of an address that name the network, at least one.
fn mask(prefix: u8) -> u32 {
    u32::MAX << (32 - u32::from(prefix.max(1)))
}

/// FNV-1a, 32 bit: spreads short names well and stays the same for ever.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::new(text).unwrap()
    }

    fn default_pool() -> Pool {
        Pool::new((Ipv4Addr::new(172, 29, 0, 0), 16), [])
    }

    #[test]
    fn an_address_is_kept_and_the_same_at_the_next_boot() {
        let mut pool = default_pool();
        let first = pool.address(&name("web")).unwrap();
        assert_eq!(pool.address(&name("web")), Some(first));
        assert_eq!(default_pool().address(&name("web")), Some(first));
    }

    #[test]
    fn of_all_at_once_each_has_its_own_whoever_asks_first() {
        let names: Vec<_> = (0..6).map(|n| name(&format!("s{n}"))).collect();
        // Three bits: two names fall on the same address for certain.
        let network = (Ipv4Addr::new(10, 0, 0, 0), 29);
        let pool = Pool::new(network, &names);
        let all: Vec<_> = names.iter().map(|name| pool.given(name)).collect();
        let mut asked = pool.clone();
        for (name, given) in names.iter().zip(&all).rev() {
            assert_eq!(asked.address(name), *given);
        }
        assert_eq!(all.iter().flatten().collect::<BTreeSet<_>>().len(), 5);
        assert_eq!(all.last(), Some(&None));
    }

    #[test]
    fn two_thousand_services_have_two_thousand_addresses() {
        let mut pool = default_pool();
        let given: BTreeSet<_> = (0..2_000)
            .filter_map(|n| pool.address(&name(&format!("s{n}"))))
            .collect();
        assert_eq!(given.len(), 2_000);
        assert!(!given.contains(&pool.bridge()));
        assert!(
            given
                .iter()
                .all(|a| a.octets()[..2] == [172, 29] && a.octets()[2..] != [255, 255])
        );
    }

    #[test]
    fn a_small_pool_is_used_up_to_its_last_address() {
        let mut pool = Pool::new((Ipv4Addr::new(10, 0, 0, 77), 29), []);
        assert_eq!(pool.bridge(), Ipv4Addr::new(10, 0, 0, 73));
        let given: BTreeSet<_> = ["a", "b", "c", "d", "e"]
            .iter()
            .filter_map(|n| pool.address(&name(n)))
            .collect();
        let all: BTreeSet<_> = (74..79).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect();
        assert_eq!(given, all);
        assert_eq!(pool.address(&name("f")), None);
    }
}
