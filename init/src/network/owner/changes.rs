//! What the kernel tells, taken into the state, and told on as events.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::Owner;
use crate::network::error::NetworkError;
use crate::network::event::{LinkAddress, NetworkEvent};
use crate::network::kernel::Change;
use crate::network::link::Link;

impl Owner {
    pub(super) async fn take(&mut self, change: Change) {
        if change != Change::Lost {
            return self.take_one(change).await;
        }
        if let Err(error) = self.resynchronize().await {
            self.tell(NetworkEvent::Degraded(error));
        }
    }

    async fn take_one(&mut self, change: Change) {
        match change {
            Change::Link { index, link } => self.take_link(index, link).await,
            Change::LinkGone { index } => self.lose_link(index),
            Change::Address {
                index,
                address,
                prefix_length,
            } => {
                self.take_address((index, address, prefix_length));
            }
            Change::AddressGone { index, address } => self.lose_address(index, address),
            // Nothing by itself.
            Change::Lost => {}
        }
    }

    async fn take_link(&mut self, index: u32, link: Link) {
        let former = self.links.insert(index, link.clone());
        let ours = link.wanted(&self.config).is_some();
        let same_link = former.as_ref().is_some_and(|former| {
            former.name == link.name && former.wanted(&self.config) == link.wanted(&self.config)
        });
        if !same_link
            && self.up
            && let Err(error) = self.configure(index).await
        {
            self.tell(NetworkEvent::Degraded(error));
        }
        let wants_dhcp = link.wants_dhcp(&self.config);
        let wanted_dhcp = former
            .as_ref()
            .is_some_and(|former| former.wants_dhcp(&self.config));
        let carrier_changed = former
            .as_ref()
            .is_some_and(|former| former.carrier != link.carrier);
        if ours && carrier_changed {
            let (link, carrier) = (link.name.clone(), link.carrier);
            self.tell(NetworkEvent::CarrierChanged { link, carrier });
        }
        // A link that gets its first carrier is not news: its holder has just been started.
        let asks_again =
            carrier_changed && link.carrier && wants_dhcp && !self.leases.contains_key(&link.name);
        if (wants_dhcp != wanted_dhcp || (wants_dhcp && !same_link)) || asks_again {
            self.tell(NetworkEvent::DhcpLinksChanged);
        }
    }

    fn lose_link(&mut self, index: u32) {
        let Some(link) = self.links.remove(&index) else {
            return;
        };
        self.attached.retain(|_, name| *name != link.name);
        let gone: Vec<_> = self
            .addresses
            .iter()
            .filter(|(of, ..)| *of == index)
            .copied()
            .collect();
        for (_, address, prefix_length) in gone {
            self.addresses.remove(&(index, address, prefix_length));
            let link = link.name.clone();
            self.tell(NetworkEvent::AddressRemoved(LinkAddress {
                link,
                address,
                prefix_length,
            }));
        }
        if self.leases.remove(&link.name).is_some() {
            self.tell(NetworkEvent::ResolversChanged);
        }
        if link.wants_dhcp(&self.config) {
            self.tell(NetworkEvent::DhcpLinksChanged);
        }
    }

    fn take_address(&mut self, address: (u32, Ipv4Addr, u8)) {
        // Renewing a lease tells of the same address again.
        if self.addresses.insert(address)
            && let Some(named) = self.named(address)
        {
            self.tell(NetworkEvent::AddressAdded(named));
        }
    }

    fn lose_address(&mut self, index: u32, address: Ipv4Addr) {
        let gone = self
            .addresses
            .iter()
            .find(|(i, a, _)| (*i, *a) == (index, address))
            .copied();
        let Some(gone) = gone else { return };
        self.addresses.remove(&gone);
        let Some(named) = self.named(gone) else {
            return;
        };
        // The kernel ended a lease that nobody renewed.
        let expired = self
            .leases
            .get(&named.link)
            .is_some_and(|terms| terms.address == address);
        if expired {
            self.leases.remove(&named.link);
            self.tell(NetworkEvent::ResolversChanged);
        }
        self.tell(NetworkEvent::AddressRemoved(named));
    }

    /// Lists everything and takes the differences, as if the kernel had just told of them.
    pub(super) async fn resynchronize(&mut self) -> Result<(), NetworkError> {
        let listed = self
            .kernel
            .list()
            .await
            .map_err(|source| NetworkError::List { source })?;
        let mut links = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        for change in &listed {
            match change {
                Change::Link { index, .. } => links.extend([*index]),
                Change::Address { index, address, .. } => addresses.extend([(*index, *address)]),
                _ => {}
            }
        }
        let stale: Vec<_> = self
            .addresses
            .iter()
            .filter(|(i, a, _)| !addresses.contains(&(*i, *a)))
            .copied()
            .collect();
        for (index, address, _) in stale {
            self.lose_address(index, address);
        }
        let stale: Vec<_> = self
            .links
            .keys()
            .filter(|i| !links.contains(i))
            .copied()
            .collect();
        for index in stale {
            self.lose_link(index);
        }
        for change in listed {
            self.take_one(change).await;
        }
        Ok(())
    }
}
