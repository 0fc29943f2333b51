//! Published ports: the ruleset, always as a whole.

use orlop_config::NetworkMode;

use super::Owner;
use crate::network::error::NetworkError;
use crate::network::exchange::Exchange;
use crate::network::nft::{Destination, Publication, Published, ruleset};
use crate::network::{BRIDGE, PublishedService};

impl Owner {
    pub(super) async fn publish(
        &mut self,
        services: Vec<PublishedService>,
    ) -> Result<(), NetworkError> {
        self.published = services;
        if self.up {
            self.load_ruleset().await
        } else {
            Ok(())
        }
    }

    pub(super) async fn load_ruleset(&mut self) -> Result<(), NetworkError> {
        let mut ports = Vec::new();
        for published in self.published.clone() {
            let to = match published.network_mode {
                NetworkMode::None => continue,
                NetworkMode::Host => Destination::Machine,
                NetworkMode::Bridge => Destination::Service(self.address(&published.service)?),
            };
            ports.extend(
                published
                    .ports
                    .iter()
                    .map(|port| Publication { port: *port, to }),
            );
        }
        let pool = self.pool.network();
        let (batch, last) = ruleset(&Published {
            bridge: BRIDGE,
            pool,
            ports,
        });
        let failed = |source| NetworkError::Ruleset { source };
        let exchange = Exchange::open_netfilter().map_err(failed)?;
        exchange.request(&batch, last).await.map_err(failed)
    }
}
