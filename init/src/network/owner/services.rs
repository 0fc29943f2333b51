//! Services on the bridge: their addresses and their veth pairs.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};

use orlop_config::ServiceName;

use super::Owner;
use super::links::hardware_of;
use crate::network::error::NetworkError;
use crate::network::exchange::Exchange;
use crate::network::kernel::container_messages;
use crate::network::link::LinkName;

impl Owner {
    pub(super) fn address(&mut self, service: &ServiceName) -> Result<Ipv4Addr, NetworkError> {
        let (network, prefix_length) = self.pool.network();
        self.pool.address(service).ok_or(NetworkError::PoolUsedUp {
            network,
            prefix_length,
        })
    }

    pub(super) async fn attach(
        &mut self,
        service: &ServiceName,
        netns: &OwnedFd,
        netlink: OwnedFd,
    ) -> Result<Ipv4Addr, NetworkError> {
        let bridge = self.bridge().ok_or(NetworkError::NotUp)?;
        let address = self.address(service)?;
        if self.attached.contains_key(service) {
            return Ok(address);
        }
        let container = |source| NetworkError::Container {
            service: service.to_string(),
            source,
        };
        let veth = |source| NetworkError::Veth {
            service: service.to_string(),
            source,
        };
        let exchange = Exchange::adopt(netlink).map_err(container)?;
        let name = format!("veth{}", self.next_veth);
        self.next_veth = self.next_veth.wrapping_add(1);
        let hardware = hardware_of(address);
        self.kernel
            .add_veth(&name, bridge, netns.as_fd(), hardware)
            .await
            .map_err(veth)?;
        self.kernel
            .set_alias(&name, service.as_str())
            .await
            .map_err(veth)?;
        let (_, prefix_length) = self.pool.network();
        let (messages, last) = container_messages((address, prefix_length), self.pool.bridge());
        exchange.request(&messages, last).await.map_err(container)?;
        if let Some(name) = LinkName::new(&name) {
            self.attached.insert(service.clone(), name);
        }
        Ok(address)
    }

    pub(super) fn detach(&mut self, service: &ServiceName) {
        self.attached.remove(service);
    }
}
