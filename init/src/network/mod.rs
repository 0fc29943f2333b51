//! The machine's network: links, addresses, routes, the services' bridge, the ruleset.
//!
//! ```text
//! NetworkHandle (Clone) ──requests──▶ Owner (one task, all state) ──▶ kernel (rtnetlink)
//!                                      │                      ──▶ exchange (nftables,
//!  PID 1's loop ◀──NetworkEvent── (unbounded) ─┘                          a container's socket)
//! ```
//! One owner holds the state; others send it messages and wait for the answer with a deadline.
//! Requests of several callers overlap as far as the kernel lets them: it performs each inside the
//! send, under one lock for all network namespaces, so nothing is gained by more tasks.
//!
//! Decisions are pure: `link` (which links are ours), `pool` (which address), `lease` (is it to be
//! believed), `nft` (the rules). rtnetlink is used in `kernel` only. Nothing here calls setns: the
//! holder of a container's namespaces opens a netlink socket in it and passes it up.
//!
//! Nothing autoloads in the machine: what links and rules need is the batch `network` of
//! `image-build/src/kernel/batches.rs`.

mod error;
mod event;
mod exchange;
mod kernel;
mod lease;
mod link;
mod nft;
mod owner;
mod pool;
mod reach;
mod request;
mod sockets;
mod sysctl;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use orlop_config::{NetworkConfig, NetworkMode, PublishedPort, ServiceName};
use orlop_control::Lease;
use tokio::sync::{Mutex, mpsc, oneshot};

pub use error::NetworkError;
pub use event::{LinkAddress, NetworkEvent};
pub use lease::LeaseError;
pub use link::LinkName;
pub use pool::Pool;
pub use reach::Reach;

use request::Request;

/// The bridge that services are attached to.
pub const BRIDGE: &str = "orlop0";

/// How long an answer is awaited. A request is some milliseconds of the kernel's work.
const DEADLINE: Duration = Duration::from_secs(10);

/// A handle on the network's owner.
#[derive(Debug, Clone)]
pub struct NetworkHandle {
    requests: mpsc::Sender<Request>,
    /// Whose turn it is: the deadline is that of one request, not of all those before it.
    turn: Rc<Mutex<()>>,
}

/// What a service publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedService {
    /// Whose ports.
    pub service: ServiceName,
    /// Whether they lead to the bridge or open the machine's own; nothing is published for `none`.
    pub network_mode: NetworkMode,
    /// The ports.
    pub ports: Vec<PublishedPort>,
}

impl NetworkHandle {
    /// Starts the owner as a task of the current runtime; it opens rtnetlink and sets `lo` up, which
    /// needs no kernel module. When even that fails it says so by an event and tries again each
    /// second. The events are to be read: their channel is not bounded.
    #[must_use]
    pub fn start(
        config: NetworkConfig,
        pool: Pool,
    ) -> (Self, mpsc::UnboundedReceiver<NetworkEvent>) {
        let (events, receiver) = mpsc::unbounded_channel();
        let (requests, queue) = mpsc::channel(64);
        tokio::spawn(owner::run(config, pool, events, queue));
        (Self::to(requests), receiver)
    }

    /// Makes the bridge and loads the ruleset (the modules must be there), writes the kernel's
    /// parameters, and configures every link that is there; those that appear later follow by
    /// themselves. A machine without a card is no error. Goes on after an error and returns the
    /// first, so that one bad link does not keep the services apart.
    ///
    /// # Errors
    /// Each operation's; `Deadline`, `Gone`.
    pub async fn bring_up(&self) -> Result<(), NetworkError> {
        self.ask(Request::BringUp).await?
    }

    /// Connects a service's network namespace with the bridge: a veth pair, the inner end named
    /// `eth0` with the address and the default route; sets its `lo` up too. `netlink` is a
    /// NETLINK_ROUTE socket that was opened inside that namespace. A service that is attached
    /// already keeps what it has.
    ///
    /// # Errors
    /// `NotUp` before [`Self::bring_up`], `PoolUsedUp`, `Veth`, `Container`; `Deadline`, `Gone`.
    pub async fn attach(
        &self,
        service: &ServiceName,
        netns: BorrowedFd<'_>,
        netlink: OwnedFd,
    ) -> Result<Ipv4Addr, NetworkError> {
        let netns = netns
            .try_clone_to_owned()
            .map_err(|source| NetworkError::Veth {
                service: service.to_string(),
                source,
            })?;
        let service = service.clone();
        self.ask(|answer| Request::Attach {
            service,
            netns,
            netlink,
            answer,
        })
        .await?
    }

    /// Forgets that a service is attached; its address stays its own. The veth pair is deleted by the kernel's own
    /// worker when the last descriptor of the service's network namespace is closed: the caller
    /// lets go of it too. (Deleting it here would hold PID 1 for some 30 ms.)
    ///
    /// # Errors
    /// `Deadline`, `Gone`.
    pub async fn detach(&self, service: &ServiceName) -> Result<(), NetworkError> {
        let service = service.clone();
        self.ask(|answer| Request::Detach { service, answer }).await
    }

    /// Makes exactly these ports published, by replacing the whole ruleset in one transaction.
    /// Before [`Self::bring_up`] they are kept and published by it.
    ///
    /// # Errors
    /// `PoolUsedUp`, `Ruleset` (the former ruleset stays); `Deadline`, `Gone`.
    pub async fn publish(&self, services: Vec<PublishedService>) -> Result<(), NetworkError> {
        self.ask(|answer| Request::Publish { services, answer })
            .await?
    }

    /// The links whose address comes by DHCP, in the order in which the kernel found them.
    ///
    /// # Errors
    /// `Deadline`, `Gone`.
    pub async fn dhcp_links(&self) -> Result<Vec<LinkName>, NetworkError> {
        self.ask(Request::DhcpLinks).await
    }

    /// Fresh sockets for the holder of `network.lease`, with their names in LISTEN_FDNAMES: a pair
    /// for each of [`Self::dhcp_links`].
    ///
    /// # Errors
    /// `DhcpSocket`; `Deadline`, `Gone`.
    pub async fn dhcp_sockets(&self) -> Result<Vec<(String, OwnedFd)>, NetworkError> {
        self.ask(Request::DhcpSockets).await?
    }

    /// Checks a reported lease against link and pool and applies it: address, default route, MTU. What the link had from
    /// a former lease and is different goes. The kernel removes the address by itself when its
    /// lifetime ends without a renewal.
    ///
    /// # Errors
    /// Each check's; `Apply` when the kernel refuses or nobody answers.
    pub async fn apply_lease(&self, lease: Lease) -> Result<(), LeaseError> {
        self.ask(|answer| Request::Lease { lease, answer })
            .await
            .map_err(|error| LeaseError::Apply {
                reason: error.to_string(),
            })?
    }

    /// The resolvers: those of the configuration, else those of the leases.
    ///
    /// # Errors
    /// `Deadline`, `Gone`.
    pub async fn resolvers(&self) -> Result<Vec<Ipv4Addr>, NetworkError> {
        self.ask(Request::Resolvers).await
    }

    /// The machine's addresses on links that are neither its loopback nor its bridge.
    ///
    /// # Errors
    /// `Deadline`, `Gone`.
    pub async fn addresses(&self) -> Result<Vec<LinkAddress>, NetworkError> {
        self.ask(Request::Addresses).await
    }

    fn to(requests: mpsc::Sender<Request>) -> Self {
        let turn = Rc::default();
        Self { requests, turn }
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, NetworkError> {
        let _turn = self.turn.lock().await;
        let (answer, answered) = oneshot::channel();
        let exchange = async {
            self.requests
                .send(request(answer))
                .await
                .map_err(|_| NetworkError::Gone)?;
            answered.await.map_err(|_| NetworkError::Gone)
        };
        tokio::time::timeout(DEADLINE, exchange)
            .await
            .map_err(|_| NetworkError::Deadline {
                seconds: DEADLINE.as_secs(),
            })?
    }
}
