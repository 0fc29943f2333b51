//! rtnetlink, wrapped: the only place that knows its API, which changes every few months.
//!
//! rtnetlink(7). Here: requests, each a method; the kernel answers inside the send, so none waits
//! for anything but the kernel's own work. `change` reads what the kernel tells without being
//! asked; `container` writes what is sent into a service's own namespace.

mod change;
mod container;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage, CacheInfo};
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::{
    AddressMessageBuilder, Error, Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth,
    MulticastGroup, RouteMessageBuilder, new_connection, new_multicast_connection,
};
use tokio::sync::mpsc;

pub(super) use change::Change;
pub(super) use container::container_messages;

use change::{address_of, change, link_of};

/// The index of a service's `eth0` in its own network namespace: the first one after `lo`.
const CONTAINER_LINK: u32 = 2;
/// The index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;

/// Requests to the kernel's routing tables.
#[derive(Debug, Clone)]
pub(super) struct Kernel(Handle);

/// Opens the sockets, joins the groups for links and IPv4 addresses, and starts the tasks that
/// serve them. The receiver ends when the socket is dead.
pub(super) fn open() -> io::Result<(Kernel, mpsc::UnboundedReceiver<Change>)> {
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr];
    let (listening, listener, mut messages) = new_multicast_connection(&groups)?;
    // Requests have a socket of their own: on the same one the notice of a change that we asked
    // for bears our request's number, and would be taken for a part of its answer.
    let (connection, handle, _) = new_connection()?;
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(listening);
    tokio::spawn(connection);
    tokio::spawn(async move {
        use futures_util::StreamExt as _;
        while let Some((message, _)) = messages.next().await {
            if let Some(change) = change(message.payload)
                && sender.send(change).is_err()
            {
                break;
            }
        }
        // Without a handle the connection would end.
        drop(listener);
    });
    Ok((Kernel(handle), receiver))
}

impl Kernel {
    /// All links and all IPv4 addresses, as changes.
    pub(super) async fn list(&self) -> io::Result<Vec<Change>> {
        let mut changes = Vec::new();
        let mut links = std::pin::pin!(self.0.link().get().execute());
        while let Some(message) = links.try_next().await.map_err(to_io)? {
            if let Some(link) = link_of(&message) {
                changes.push(Change::Link {
                    index: message.header.index,
                    link,
                });
            }
        }
        let mut addresses = std::pin::pin!(self.0.address().get().execute());
        while let Some(message) = addresses.try_next().await.map_err(to_io)? {
            if let Some((address, prefix_length)) = address_of(&message) {
                let index = message.header.index;
                changes.push(Change::Address {
                    index,
                    address,
                    prefix_length,
                });
            }
        }
        Ok(changes)
    }

    /// Sets a link up, with the MTU if given.
    pub(super) async fn set_up(&self, index: u32, mtu: Option<u32>) -> io::Result<()> {
        let mut message = LinkUnspec::new_with_index(index).up();
        if let Some(mtu) = mtu {
            message = message.mtu(mtu);
        }
        self.0
            .link()
            .set(message.build())
            .execute()
            .await
            .map_err(to_io)
    }

    /// Sets `lo` up.
    pub(super) async fn set_loopback_up(&self) -> io::Result<()> {
        self.set_up(LOOPBACK, None).await
    }

    /// Makes a bridge, up, with a hardware address that stays when ports come and go.
    pub(super) async fn add_bridge(&self, name: &str, hardware: [u8; 6]) -> io::Result<()> {
        let message = LinkBridge::new(name).address(hardware.to_vec()).build();
        self.0.link().add(message).execute().await.map_err(to_io)
    }

    /// Makes the pair of links of one service: `host` in this namespace, up and a port of the
    /// bridge; `eth0` in the service's, not yet up (IFF_UP in the same message is ENOTCONN).
    pub(super) async fn add_veth(
        &self,
        host: &str,
        bridge: u32,
        netns: BorrowedFd<'_>,
        hardware: [u8; 6],
    ) -> io::Result<()> {
        let peer = LinkMessageBuilder::<LinkUnspec>::default()
            .name("eth0")
            .index(CONTAINER_LINK)
            .address(hardware.to_vec())
            .setns_by_fd(netns.as_raw_fd())
            .build();
        let message = LinkVeth::new(host, "eth0")
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .controller(bridge)
            .up()
            .build();
        self.0.link().add(message).execute().await.map_err(to_io)
    }

    /// Gives a link a second name that people read: whose it is.
    pub(super) async fn set_alias(&self, link: &str, alias: &str) -> io::Result<()> {
        let message = LinkUnspec::new_with_name(link).alias(alias).build();
        self.0.link().set(message).execute().await.map_err(to_io)
    }

    /// Adds an address or renews its lifetime; for ever when `None`.
    pub(super) async fn add_address(
        &self,
        index: u32,
        (address, prefix_length): (Ipv4Addr, u8),
        lifetime: Option<Duration>,
    ) -> io::Result<()> {
        let mut request = self
            .0
            .address()
            .add(index, IpAddr::V4(address), prefix_length)
            .replace();
        if let Some(lifetime) = lifetime {
            let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
            let mut times = CacheInfo::default();
            times.ifa_preferred = seconds;
            times.ifa_valid = seconds;
            request
                .message_mut()
                .attributes
                .push(AddressAttribute::CacheInfo(times));
        }
        request.execute().await.map_err(to_io)
    }

    /// Removes an address; `false` when it was not there.
    pub(super) async fn remove_address(
        &self,
        index: u32,
        (address, prefix_length): (Ipv4Addr, u8),
    ) -> io::Result<bool> {
        let message = address_message(index, address, prefix_length);
        unless_absent(self.0.address().del(message).execute().await.map_err(to_io))
    }

    /// Makes the default route of a link lead by `router`. The metric keeps the routes of several
    /// links apart: the kernel takes the lowest.
    pub(super) async fn set_default_route(
        &self,
        index: u32,
        router: Ipv4Addr,
        on_link: bool,
    ) -> io::Result<()> {
        let message = default_route(index, router, on_link);
        self.0
            .route()
            .add(message)
            .replace()
            .execute()
            .await
            .map_err(to_io)
    }

    /// Removes that route; `false` when it was not there.
    pub(super) async fn remove_default_route(
        &self,
        index: u32,
        router: Ipv4Addr,
    ) -> io::Result<bool> {
        let message = default_route(index, router, false);
        unless_absent(self.0.route().del(message).execute().await.map_err(to_io))
    }
}

fn address_message(index: u32, address: Ipv4Addr, prefix_length: u8) -> AddressMessage {
    AddressMessageBuilder::<Ipv4Addr>::new()
        .index(index)
        .address(address, prefix_length)
        .build()
}

fn default_route(index: u32, router: Ipv4Addr, on_link: bool) -> RouteMessage {
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .gateway(router)
        .output_interface(index)
        .priority(index.saturating_add(100));
    if on_link {
        route.onlink().build()
    } else {
        route.build()
    }
}

/// An object that is already gone is as good as removed.
fn unless_absent(result: io::Result<()>) -> io::Result<bool> {
    const ABSENT: [i32; 3] = [
        nix::errno::Errno::EADDRNOTAVAIL as i32,
        nix::errno::Errno::ESRCH as i32,
        nix::errno::Errno::ENODEV as i32,
    ];
    match result {
        Ok(()) => Ok(true),
        Err(error)
            if error
                .raw_os_error()
                .is_some_and(|code| ABSENT.contains(&code)) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn to_io(error: Error) -> io::Error {
    match error {
        Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    }
}
