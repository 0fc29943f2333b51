//! The machine's own links: its bridge, its cards, their addresses.

use std::net::Ipv4Addr;

use orlop_config::LinkConfig;

use super::Owner;
use super::link_setup::LinkSetup;
use crate::network::error::NetworkError;
use crate::network::event::LinkAddress;
use crate::network::{BRIDGE, sysctl};

impl Owner {
    pub(super) async fn bring_up(&mut self) -> Result<(), NetworkError> {
        self.up = true;
        let mut result = sysctl::apply_to_all_links();
        result = result.and(self.add_bridge().await);
        // The rules come before the links: nothing enters the machine in between.
        result = result.and(self.load_ruleset().await);
        let links: Vec<_> = self.links.keys().copied().collect();
        for index in links {
            result = result.and(self.configure(index).await);
        }
        result
    }

    async fn add_bridge(&mut self) -> Result<(), NetworkError> {
        let failed = |source| NetworkError::Bridge {
            bridge: BRIDGE,
            source,
        };
        let address = self.pool.bridge();
        match self.kernel.add_bridge(BRIDGE, hardware_of(address)).await {
            Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EEXIST as i32) => {
                return Err(failed(error));
            }
            _ => {}
        }
        self.resynchronize().await?;
        let index = self.bridge().ok_or(NetworkError::NotUp)?;
        self.kernel.set_up(index, None).await.map_err(failed)?;
        let (_, prefix_length) = self.pool.network();
        self.kernel
            .add_address(index, (address, prefix_length), None)
            .await
            .map_err(failed)?;
        sysctl::apply_to_bridge(BRIDGE)
    }

    pub(super) fn bridge(&self) -> Option<u32> {
        self.links
            .iter()
            .find(|(_, link)| link.name.as_str() == BRIDGE)
            .map(|(index, _)| *index)
    }

    /// Sets a link up as it is wanted; nothing for one that is not ours.
    pub(super) async fn configure(&mut self, index: u32) -> Result<(), NetworkError> {
        let Some(link) = self.links.get(&index).cloned() else {
            return Ok(());
        };
        let Some(wanted) = link.wanted(&self.config) else {
            return Ok(());
        };
        let LinkConfig {
            addresses,
            gateway,
            mtu,
            ..
        } = wanted;
        let mtu = mtu.filter(|mtu| *mtu != link.mtu);
        let setup = LinkSetup {
            kernel: &self.kernel,
            index,
            name: &link.name,
        };
        setup.set_up(mtu).await?;
        for address in addresses {
            setup.add_address(address, None).await?;
        }
        if let Some(router) = gateway {
            setup.set_default_route(router, false).await?;
        }
        Ok(())
    }

    pub(in crate::network) fn machine_addresses(&self) -> Vec<LinkAddress> {
        self.addresses
            .iter()
            .filter_map(|address| self.named(*address))
            .collect()
    }

    pub(super) fn named(
        &self,
        (index, address, prefix_length): (u32, Ipv4Addr, u8),
    ) -> Option<LinkAddress> {
        let link = self.links.get(&index)?;
        (link.ethernet && link.name.as_str() != BRIDGE).then(|| LinkAddress {
            link: link.name.clone(),
            address,
            prefix_length,
        })
    }
}

/// The hardware address that goes with an address of the pool: locally administered, and the same
/// whenever the service comes back, so that no neighbour cache goes stale.
pub(super) fn hardware_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x4f, a, b, c, d]
}
