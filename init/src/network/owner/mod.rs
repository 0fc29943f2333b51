//! The one owner of the network's state: requests and the kernel's changes, one after the other.
//!
//! Here: the state, its task, and which request goes where. `links`, `services`, `rules` and
//! `leases` perform requests; `changes` takes what the kernel tells.

mod changes;
mod leases;
mod link_setup;
mod links;
mod rules;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use orlop_config::{NetworkConfig, ServiceName};
use orlop_control::LeaseTerms;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::PublishedService;
use super::error::NetworkError;
use super::event::NetworkEvent;
use super::kernel::{self, Change, Kernel};
use super::link::{LinkName, Links};
use super::pool::Pool;
use super::reach::Reach;
use super::request::Request;

/// How long after a dead socket another one is opened.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// The state, with the ways to the kernel and to PID 1's loop.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) config: NetworkConfig,
    kernel: Kernel,
    changes: mpsc::UnboundedReceiver<Change>,
    /// When to open the next socket, after the last one died.
    reopen_at: Option<Instant>,
    events: mpsc::UnboundedSender<NetworkEvent>,
    pub(super) links: Links,
    pub(super) addresses: BTreeSet<(u32, Ipv4Addr, u8)>,
    pub(super) leases: BTreeMap<LinkName, LeaseTerms>,
    /// As it was told last.
    told: Reach,
    pool: Pool,
    /// Which link leads to which service.
    attached: BTreeMap<ServiceName, LinkName>,
    /// Names of veth links are not used twice: the former namespace may still be going away.
    next_veth: u32,
    published: Vec<PublishedService>,
    /// `bring_up` has been called: links that appear are configured.
    up: bool,
}

impl Owner {
    async fn start(
        config: NetworkConfig,
        pool: Pool,
        events: mpsc::UnboundedSender<NetworkEvent>,
    ) -> Result<Self, NetworkError> {
        let (kernel, changes) = kernel::open().map_err(|source| NetworkError::Open { source })?;
        let mut owner = Self {
            pool,
            config,
            kernel,
            changes,
            reopen_at: None,
            events,
            links: Links::new(),
            addresses: BTreeSet::new(),
            leases: BTreeMap::new(),
            told: Reach::default(),
            attached: BTreeMap::new(),
            next_veth: 0,
            published: Vec::new(),
            up: false,
        };
        owner
            .kernel
            .set_loopback_up()
            .await
            .map_err(|source| match LinkName::new("lo") {
                Some(link) => NetworkError::SetLink { link, source },
                None => NetworkError::Open { source },
            })?;
        owner.resynchronize().await?;
        Ok(owner)
    }

    /// Serves until every handle is gone.
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let reach = self.reach();
            if reach != self.told {
                self.told = reach.clone();
                self.tell(NetworkEvent::ReachChanged(reach));
            }
            let reopen_at = self.reopen_at;
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.serve(request).await,
                    None => return,
                },
                change = self.changes.recv(), if reopen_at.is_none() => match change {
                    Some(change) => self.take(change).await,
                    None => self.reopen_at = Some(Instant::now() + REOPEN_AFTER),
                },
                () = sleep_until(reopen_at), if reopen_at.is_some() => self.reopen().await,
            }
        }
    }

    async fn serve(&mut self, request: Request) {
        match request {
            Request::BringUp(answer) => reply(answer, self.bring_up().await),
            Request::Attach {
                service,
                netns,
                netlink,
                answer,
            } => {
                reply(answer, self.attach(&service, &netns, netlink).await);
            }
            Request::Detach { service, answer } => {
                self.detach(&service);
                reply(answer, ());
            }
            Request::Publish { services, answer } => {
                reply(answer, self.publish(services).await);
            }
            Request::DhcpLinks(answer) => {
                reply(
                    answer,
                    self.dhcp_links()
                        .map(|(_, link)| link.name.clone())
                        .collect(),
                );
            }
            Request::DhcpSockets(answer) => reply(answer, self.dhcp_sockets()),
            Request::Lease { lease, answer } => reply(answer, self.lease(lease).await),
            Request::Resolvers(answer) => reply(answer, self.resolvers()),
            Request::Addresses(answer) => reply(answer, self.machine_addresses()),
        }
    }

    async fn reopen(&mut self) {
        let opened = kernel::open().map_err(|source| NetworkError::Open { source });
        let result = match opened {
            Ok((kernel, changes)) => {
                (self.kernel, self.changes, self.reopen_at) = (kernel, changes, None);
                self.resynchronize().await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            self.reopen_at = Some(Instant::now() + REOPEN_AFTER);
            self.tell(NetworkEvent::Degraded(error));
        }
    }

    fn tell(&self, event: NetworkEvent) {
        // Without a listener nobody wants to know.
        drop(self.events.send(event));
    }
}

/// The owner's task: opens rtnetlink, again and again if that must be, and serves.
pub(super) async fn run(
    config: NetworkConfig,
    pool: Pool,
    events: mpsc::UnboundedSender<NetworkEvent>,
    requests: mpsc::Receiver<Request>,
) {
    loop {
        match Owner::start(config.clone(), pool.clone(), events.clone()).await {
            Ok(owner) => return owner.run(requests).await,
            Err(error) => drop(events.send(NetworkEvent::Degraded(error))),
        }
        tokio::time::sleep(REOPEN_AFTER).await;
    }
}

async fn sleep_until(instant: Option<Instant>) {
    if let Some(instant) = instant {
        tokio::time::sleep_until(instant).await;
    }
}

/// An answer that nobody waits for any more is dropped.
fn reply<T>(answer: oneshot::Sender<T>, value: T) {
    let _nobody_waits = answer.send(value);
}
