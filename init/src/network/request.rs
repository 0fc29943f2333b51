//! What the handle asks of the owner; each with the channel for the answer.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use orlop_config::ServiceName;
use orlop_control::Lease;
use tokio::sync::oneshot::Sender;

use super::PublishedService;
use super::error::NetworkError;
use super::event::LinkAddress;
use super::lease::LeaseError;
use super::link::LinkName;

/// One request; the methods of `NetworkHandle` say what each does.
#[derive(Debug)]
pub(super) enum Request {
    BringUp(Sender<Result<(), NetworkError>>),
    Attach {
        service: ServiceName,
        netns: OwnedFd,
        netlink: OwnedFd,
        answer: Sender<Result<Ipv4Addr, NetworkError>>,
    },
    Detach {
        service: ServiceName,
        answer: Sender<()>,
    },
    Publish {
        services: Vec<PublishedService>,
        answer: Sender<Result<(), NetworkError>>,
    },
    DhcpLinks(Sender<Vec<LinkName>>),
    DhcpSockets(Sender<Result<Vec<(String, OwnedFd)>, NetworkError>>),
    Lease {
        lease: Lease,
        answer: Sender<Result<(), LeaseError>>,
    },
    Resolvers(Sender<Vec<Ipv4Addr>>),
    Addresses(Sender<Vec<LinkAddress>>),
}
