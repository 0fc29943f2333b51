//! Links that take their address from DHCP: their sockets, their leases, the resolvers.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use orlop_control::{Lease, LeaseTerms};

use super::Owner;
use crate::network::error::NetworkError;
use crate::network::event::NetworkEvent;
use crate::network::lease::{LeaseError, check};
use crate::network::link::Link;
use crate::network::sockets;
use crate::stage::chain;

impl Owner {
    pub(super) fn dhcp_links(&self) -> impl Iterator<Item = (&u32, &Link)> {
        self.links
            .iter()
            .filter(|(_, link)| link.wants_dhcp(&self.config))
    }

    pub(super) fn dhcp_sockets(&self) -> Result<Vec<(String, OwnedFd)>, NetworkError> {
        let mut all = Vec::new();
        for (index, link) in self.dhcp_links() {
            all.extend(sockets::open(&link.name, *index)?);
        }
        Ok(all)
    }

    pub(super) async fn lease(&mut self, lease: Lease) -> Result<(), LeaseError> {
        let not_wanted = || LeaseError::NotWanted {
            link: lease.link().to_owned(),
        };
        let found = self
            .dhcp_links()
            .find(|(_, link)| link.name.as_str() == lease.link());
        let (index, link) = found
            .map(|(index, link)| (*index, link.clone()))
            .ok_or_else(not_wanted)?;
        let terms = match lease {
            Lease::Expired { .. } => None,
            Lease::Bound(terms) => {
                check(&terms, &link, &self.pool)?;
                Some(terms)
            }
        };
        let before = self.resolvers();
        let result = self.apply(index, &link, terms).await;
        if before != self.resolvers() {
            self.tell(NetworkEvent::ResolversChanged);
        }
        result.map_err(|error| LeaseError::Apply {
            reason: chain(&error),
        })
    }

    async fn apply(
        &mut self,
        index: u32,
        link: &Link,
        terms: Option<LeaseTerms>,
    ) -> Result<(), NetworkError> {
        let name = || link.name.clone();
        if let Some(former) = self.leases.remove(&link.name) {
            let keeps = |terms: &LeaseTerms| {
                (terms.address, terms.prefix_length) == (former.address, former.prefix_length)
            };
            if let Some(router) = former.router
                && terms
                    .as_ref()
                    .is_none_or(|terms| terms.router != Some(router))
            {
                self.kernel
                    .remove_default_route(index, router)
                    .await
                    .map_err(|source| NetworkError::Route {
                        link: name(),
                        router,
                        source,
                    })?;
            }
            if !terms.as_ref().is_some_and(keeps) {
                let address = former.address;
                let pair = (address, former.prefix_length);
                self.kernel
                    .remove_address(index, pair)
                    .await
                    .map_err(|source| NetworkError::RemoveAddress {
                        link: name(),
                        address,
                        source,
                    })?;
            }
        }
        let Some(terms) = terms else { return Ok(()) };
        // Only when it differs: some drivers take the carrier down for it, and carrier and lease
        // would then chase each other (systemd #18738).
        if let Some(mtu) = terms.mtu.map(u32::from).filter(|mtu| *mtu != link.mtu) {
            self.kernel
                .set_up(index, Some(mtu))
                .await
                .map_err(|source| NetworkError::SetLink {
                    link: name(),
                    source,
                })?;
        }
        let (address, prefix_length) = (terms.address, terms.prefix_length);
        self.leases.insert(link.name.clone(), terms.clone());
        self.kernel
            .add_address(index, (address, prefix_length), terms.lifetime())
            .await
            .map_err(|source| NetworkError::AddAddress {
                link: name(),
                address,
                prefix_length,
                source,
            })?;
        if let Some(router) = terms.router {
            self.kernel
                .set_default_route(index, router, !terms.contains(router))
                .await
                .map_err(|source| NetworkError::Route {
                    link: name(),
                    router,
                    source,
                })?;
        }
        Ok(())
    }

    pub(super) fn resolvers(&self) -> Vec<Ipv4Addr> {
        if !self.config.dns.is_empty() {
            return self.config.dns.clone();
        }
        let mut resolvers = Vec::new();
        for resolver in self.leases.values().flat_map(|terms| &terms.dns) {
            if !resolvers.contains(resolver) {
                resolvers.push(*resolver);
            }
        }
        resolvers
    }
}
