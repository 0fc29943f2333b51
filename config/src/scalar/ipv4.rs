//! IPv4 addresses and networks.

use std::net::Ipv4Addr;

/// Reads `192.0.2.1`.
pub(crate) fn parse_ipv4(text: &str) -> Result<Ipv4Addr, &'static str> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err("is an IPv6 address, which is not supported yet");
    }
    text.parse().map_err(|_| "is no IPv4 address")
}

/// Reads `192.0.2.1/24`.
pub(crate) fn address_with_prefix(text: &str) -> Result<(Ipv4Addr, u8), &'static str> {
    let Some((address, prefix)) = text.split_once('/') else {
        parse_ipv4(text)?;
        return Err("has no prefix length");
    };
    let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    match prefix.parse() {
        Ok(prefix @ 0..=32) if digits => Ok((parse_ipv4(address)?, prefix)),
        _ => Err("has a prefix length that is not 0 to 32"),
    }
}

/// The network that an address lies in.
pub(crate) fn network_of(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX
        .checked_shl(32 - u32::from(prefix.min(32)))
        .unwrap_or(0);
    Ipv4Addr::from(u32::from(address) & mask)
}

/// Whether a network holds an address.
pub(crate) fn contains(network: (Ipv4Addr, u8), address: Ipv4Addr) -> bool {
    network_of(network.0, network.1) == network_of(address, network.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let pool = address_with_prefix("172.29.0.0/16").unwrap();
        assert!(contains(pool, Ipv4Addr::new(172, 29, 255, 255)));
        assert!(!contains(pool, Ipv4Addr::new(172, 30, 0, 0)));
        assert_eq!(
            network_of(Ipv4Addr::new(10, 1, 2, 3), 0),
            Ipv4Addr::UNSPECIFIED
        );
        for text in [
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/+8",
            "::1/64",
            "/8",
        ] {
            assert!(address_with_prefix(text).is_err(), "{text}");
        }
    }
}
