//! What can go wrong with the network. None of it ends the boot: the stage is degraded.

use std::io;
use std::net::Ipv4Addr;

use super::link::LinkName;

/// An operation of the network that did not work.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No netlink socket.
    #[error("open a netlink socket")]
    Open {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The links or addresses cannot be listed.
    #[error("list the links")]
    List {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The bridge cannot be made.
    #[error("create the bridge {bridge}")]
    Bridge {
        /// Its name.
        bridge: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A link cannot be set up or its MTU changed.
    #[error("set up the link {link}")]
    SetLink {
        /// Which.
        link: LinkName,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// An address cannot be added.
    #[error("add {address}/{prefix_length} to the link {link}")]
    AddAddress {
        /// To which link.
        link: LinkName,
        /// The address.
        address: Ipv4Addr,
        /// Its prefix length.
        prefix_length: u8,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// An address cannot be taken away.
    #[error("remove {address} from the link {link}")]
    RemoveAddress {
        /// From which link.
        link: LinkName,
        /// The address.
        address: Ipv4Addr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The default route cannot be set.
    #[error("route by {router} on the link {link}")]
    Route {
        /// On which link.
        link: LinkName,
        /// The router.
        router: Ipv4Addr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The pair of links between a service and the bridge cannot be made.
    #[error("create the link of service {service}")]
    Veth {
        /// Whose.
        service: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The service's end of the pair cannot be configured.
    #[error("configure eth0 of service {service}")]
    Container {
        /// Whose.
        service: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Every address of the pool is given.
    #[error("the address pool {network}/{prefix_length} is used up")]
    PoolUsedUp {
        /// The pool's network.
        network: Ipv4Addr,
        /// Its prefix length.
        prefix_length: u8,
    },
    /// The kernel refused the ruleset.
    #[error("load the nftables ruleset")]
    Ruleset {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A kernel parameter cannot be written.
    #[error("write {path}")]
    Sysctl {
        /// The file below `/proc/sys`.
        path: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A socket for the holder of `network.lease` cannot be opened.
    #[error("open the socket {name}")]
    DhcpSocket {
        /// Its name in LISTEN_FDNAMES.
        name: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The bridge does not exist yet: `bring_up` has not been called or has failed.
    #[error("the bridge is not there")]
    NotUp,
    /// The kernel or the owner of the network did not answer in time.
    #[error("no answer within {seconds} s")]
    Deadline {
        /// How long was waited.
        seconds: u64,
    },
    /// The owner of the network has ended.
    #[error("the network's owner has ended")]
    Gone,
}
