//! Requests about one link, with errors that name it.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::network::error::NetworkError;
use crate::network::kernel::Kernel;
use crate::network::link::LinkName;

/// One of the machine's links and the way to the kernel.
pub(super) struct LinkSetup<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) index: u32,
    pub(super) name: &'a LinkName,
}

impl LinkSetup<'_> {
    /// Sets it up, with the MTU if given.
    pub(super) async fn set_up(&self, mtu: Option<u32>) -> Result<(), NetworkError> {
        let result = self.kernel.set_up(self.index, mtu).await;
        result.map_err(|source| NetworkError::SetLink {
            link: self.name.clone(),
            source,
        })
    }

    /// Adds an address or renews its lifetime; for ever when `None`.
    pub(super) async fn add_address(
        &self,
        (address, prefix_length): (Ipv4Addr, u8),
        lifetime: Option<Duration>,
    ) -> Result<(), NetworkError> {
        let pair = (address, prefix_length);
        let result = self.kernel.add_address(self.index, pair, lifetime).await;
        result.map_err(|source| NetworkError::AddAddress {
            link: self.name.clone(),
            address,
            prefix_length,
            source,
        })
    }

    /// Removes an address, if it is there.
    pub(super) async fn remove_address(&self, pair: (Ipv4Addr, u8)) -> Result<(), NetworkError> {
        let result = self.kernel.remove_address(self.index, pair).await;
        result
            .map(drop)
            .map_err(|source| NetworkError::RemoveAddress {
                link: self.name.clone(),
                address: pair.0,
                source,
            })
    }

    /// Makes its default route lead by the router.
    pub(super) async fn set_default_route(
        &self,
        router: Ipv4Addr,
        on_link: bool,
    ) -> Result<(), NetworkError> {
        let kernel = self.kernel;
        let result = kernel.set_default_route(self.index, router, on_link).await;
        result.map_err(|source| self.route(router, source))
    }

    /// Removes that route, if it is there.
    pub(super) async fn remove_default_route(&self, router: Ipv4Addr) -> Result<(), NetworkError> {
        let result = self.kernel.remove_default_route(self.index, router).await;
        result
            .map(drop)
            .map_err(|source| self.route(router, source))
    }

    fn route(&self, router: Ipv4Addr, source: io::Error) -> NetworkError {
        NetworkError::Route {
            link: self.name.clone(),
            router,
            source,
        }
    }
}
