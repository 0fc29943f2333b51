//! The one owner of the network's state: requests and the kernel's changes, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use orlop_config::{LinkConfig, NetworkConfig, NetworkMode, ServiceName};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::error::NetworkError;
use super::event::{LinkAddress, NetworkEvent};
use super::exchange::Exchange;
use super::kernel::{self, Change, Kernel, container_messages};
use super::lease::{Lease, LeaseError, LeaseTerms};
use super::link::{Link, LinkName, Links};
use super::nft::{Destination, Publication, Published, ruleset};
use super::pool::Pool;
use super::request::Request;
use super::{BRIDGE, PublishedService, sockets, sysctl};

/// How long after a dead socket another one is opened.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// The state, with the ways to the kernel and to PID 1's loop.
#[derive(Debug)]
pub(super) struct Owner {
    config: NetworkConfig,
    kernel: Kernel,
    changes: mpsc::UnboundedReceiver<Change>,
    /// When to open the next socket, after the last one died.
    reopen_at: Option<Instant>,
    events: mpsc::UnboundedSender<NetworkEvent>,
    links: Links,
    addresses: BTreeSet<(u32, Ipv4Addr, u8)>,
    leases: BTreeMap<LinkName, LeaseTerms>,
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
        events: mpsc::UnboundedSender<NetworkEvent>,
    ) -> Result<Self, NetworkError> {
        let (kernel, changes) = kernel::open().map_err(|source| NetworkError::Open { source })?;
        let mut owner = Self {
            pool: Pool::new(config.pool),
            config,
            kernel,
            changes,
            reopen_at: None,
            events,
            links: Links::new(),
            addresses: BTreeSet::new(),
            leases: BTreeMap::new(),
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
            Request::Address { service, answer } => reply(answer, self.address(&service)),
            Request::Attach {
                service,
                netns,
                netlink,
                answer,
            } => {
                reply(answer, self.attach(&service, &netns, netlink).await);
            }
            Request::Detach { service, answer } => {
                self.attached.remove(&service);
                self.pool.release(&service);
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

    // ---- the machine's own links -------------------------------------------------------------

    async fn bring_up(&mut self) -> Result<(), NetworkError> {
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

    fn bridge(&self) -> Option<u32> {
        self.links
            .iter()
            .find(|(_, link)| link.name.as_str() == BRIDGE)
            .map(|(index, _)| *index)
    }

    /// Sets a link up as it is wanted; nothing for one that is not ours.
    async fn configure(&mut self, index: u32) -> Result<(), NetworkError> {
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
        let name = || link.name.clone();
        self.kernel
            .set_up(index, mtu)
            .await
            .map_err(|source| NetworkError::SetLink {
                link: name(),
                source,
            })?;
        for (address, prefix_length) in addresses {
            let pair = (address, prefix_length);
            self.kernel
                .add_address(index, pair, None)
                .await
                .map_err(|source| NetworkError::AddAddress {
                    link: name(),
                    address,
                    prefix_length,
                    source,
                })?;
        }
        if let Some(router) = gateway {
            self.kernel
                .set_default_route(index, router, false)
                .await
                .map_err(|source| NetworkError::Route {
                    link: name(),
                    router,
                    source,
                })?;
        }
        Ok(())
    }

    fn machine_addresses(&self) -> Vec<LinkAddress> {
        self.addresses
            .iter()
            .filter_map(|address| self.named(*address))
            .collect()
    }

    fn named(&self, (index, address, prefix_length): (u32, Ipv4Addr, u8)) -> Option<LinkAddress> {
        let link = self.links.get(&index)?;
        (link.ethernet && link.name.as_str() != BRIDGE).then(|| LinkAddress {
            link: link.name.clone(),
            address,
            prefix_length,
        })
    }

    // ---- services ----------------------------------------------------------------------------

    fn address(&mut self, service: &ServiceName) -> Result<Ipv4Addr, NetworkError> {
        let (network, prefix_length) = self.pool.network();
        self.pool.address(service).ok_or(NetworkError::PoolUsedUp {
            network,
            prefix_length,
        })
    }

    async fn attach(
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

    async fn publish(&mut self, services: Vec<PublishedService>) -> Result<(), NetworkError> {
        self.published = services;
        if self.up {
            self.load_ruleset().await
        } else {
            Ok(())
        }
    }

    async fn load_ruleset(&mut self) -> Result<(), NetworkError> {
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

    // ---- DHCP --------------------------------------------------------------------------------

    fn dhcp_links(&self) -> impl Iterator<Item = (&u32, &Link)> {
        self.links
            .iter()
            .filter(|(_, link)| link.wants_dhcp(&self.config))
    }

    fn dhcp_sockets(&self) -> Result<Vec<(String, OwnedFd)>, NetworkError> {
        let mut all = Vec::new();
        for (index, link) in self.dhcp_links() {
            all.extend(sockets::open(&link.name, *index)?);
        }
        Ok(all)
    }

    async fn lease(&mut self, lease: Lease) -> Result<(), LeaseError> {
        let not_wanted = || LeaseError::NotWanted {
            link: lease.link.to_string(),
        };
        let found = self.dhcp_links().find(|(_, link)| link.name == lease.link);
        let (index, link) = found
            .map(|(index, link)| (*index, link.clone()))
            .ok_or_else(not_wanted)?;
        if let Some(terms) = &lease.terms {
            terms.check(link.max_mtu, self.pool.network())?;
        }
        let before = self.resolvers();
        let result = self.apply(index, &link, lease.terms).await;
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
        if let Some(mtu) = terms.mtu.filter(|mtu| *mtu != link.mtu) {
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
            .add_address(index, (address, prefix_length), terms.lifetime)
            .await
            .map_err(|source| NetworkError::AddAddress {
                link: name(),
                address,
                prefix_length,
                source,
            })?;
        if let Some(router) = terms.router {
            self.kernel
                .set_default_route(index, router, !terms.router_in_network(router))
                .await
                .map_err(|source| NetworkError::Route {
                    link: name(),
                    router,
                    source,
                })?;
        }
        Ok(())
    }

    fn resolvers(&self) -> Vec<Ipv4Addr> {
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

    // ---- what the kernel tells ---------------------------------------------------------------

    async fn take(&mut self, change: Change) {
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
            Change::Lost => {
                if let Err(error) = self.resynchronize().await {
                    self.tell(NetworkEvent::Degraded(error));
                }
            }
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
    async fn resynchronize(&mut self) -> Result<(), NetworkError> {
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
            match change {
                Change::Link { index, link } => self.take_link(index, link).await,
                Change::Address {
                    index,
                    address,
                    prefix_length,
                } => {
                    self.take_address((index, address, prefix_length));
                }
                _ => {}
            }
        }
        Ok(())
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
    events: mpsc::UnboundedSender<NetworkEvent>,
    requests: mpsc::Receiver<Request>,
) {
    loop {
        match Owner::start(config.clone(), events.clone()).await {
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

/// The hardware address that goes with an address of the pool: locally administered, and the same
/// whenever the service comes back, so that no neighbour cache goes stale.
fn hardware_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x4f, a, b, c, d]
}

/// An error with its causes, one fragment.
fn chain(error: &NetworkError) -> String {
    use std::error::Error as _;
    let source: Option<&io::Error> = error.source().and_then(|source| source.downcast_ref());
    match source {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
