//! Links that take their address from DHCP: their sockets, their leases, the resolvers.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use orlop_control::{Lease, LeaseTerms};

use super::Owner;
use super::link_setup::LinkSetup;
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
        let setup = LinkSetup {
            kernel: &self.kernel,
            index,
            name: &link.name,
        };
        let address = |terms: &LeaseTerms| (terms.address, terms.prefix_length);
        if let Some(former) = self.leases.remove(&link.name) {
            let router = terms.as_ref().and_then(|terms| terms.router);
            if let Some(gone) = former.router.filter(|former| Some(*former) != router) {
                setup.remove_default_route(gone).await?;
            }
            if terms.as_ref().map(address) != Some(address(&former)) {
                setup.remove_address(address(&former)).await?;
            }
        }
        let Some(terms) = terms else { return Ok(()) };
        // Only when it differs: some drivers take the carrier down for it, and carrier and lease
        // would then chase each other (systemd #18738).
        if let Some(mtu) = terms.mtu.map(u32::from).filter(|mtu| *mtu != link.mtu) {
            setup.set_up(Some(mtu)).await?;
        }
        self.leases.insert(link.name.clone(), terms.clone());
        setup.add_address(address(&terms), terms.lifetime()).await?;
        if let Some(router) = terms.router {
            let on_link = !terms.contains(router);
            setup.set_default_route(router, on_link).await?;
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
