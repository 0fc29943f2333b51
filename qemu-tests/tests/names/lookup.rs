//! Prints the IPv4 addresses of a name, as musl's getaddrinfo finds them.

use std::net::{SocketAddr, ToSocketAddrs};

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let found = (name.as_str(), 0).to_socket_addrs();
    let addresses = found.into_iter().flatten().filter_map(|address| match address {
        SocketAddr::V4(address) => Some(address.ip().to_string()),
        SocketAddr::V6(_) => None,
    });
    println!("{}", addresses.collect::<Vec<_>>().join(" "));
}
