//! The machine's links as the kernel tells of them, and which of them are ours to configure.

use std::collections::BTreeMap;
use std::fmt;

use orlop_config::{LinkConfig, NetworkConfig};

/// The name of a link, such as `eth0` (at most 15 bytes, as the kernel has it).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

impl LinkName {
    /// The name when the kernel could have a link of that name: 1 to 15 bytes, no `/`, no
    /// white space, not `.` or `..` (`dev_valid_name` in net/core/dev.c).
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let good = |c: char| !c.is_whitespace() && !c.is_control() && c != '/' && c != ':';
        let valid =
            (1..=15).contains(&text.len()) && !matches!(text, "." | "..") && text.chars().all(good);
        valid.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Its name.
    pub(super) name: LinkName,
    /// ARPHRD_ETHER.
    pub(super) ethernet: bool,
    /// Made by software: a bridge, a veth, a tunnel. A network card is not.
    pub(super) virtual_kind: bool,
    /// A port of a bridge or bond.
    pub(super) enslaved: bool,
    /// IFF_LOWER_UP: it has a carrier.
    pub(super) carrier: bool,
    /// Its MTU in bytes.
    pub(super) mtu: u32,
    /// The largest MTU that the device takes; no limit known when 0.
    pub(super) max_mtu: u32,
}

/// The links by index.
pub(super) type Links = BTreeMap<u32, Link>;

impl Link {
    /// How the link is to be configured: as `[network.links]` names it, by DHCP when it is an
    /// Ethernet card that nothing names, else not at all.
    pub(super) fn wanted(&self, config: &NetworkConfig) -> Option<LinkConfig> {
        if let Some(named) = config.links.get(self.name.as_str()) {
            return Some(named.clone());
        }
        (config.dhcp && self.ethernet && !self.virtual_kind && !self.enslaved).then(|| LinkConfig {
            dhcp: true,
            ..LinkConfig::default()
        })
    }

    /// Whether the link's address comes by DHCP.
    pub(super) fn wants_dhcp(&self, config: &NetworkConfig) -> bool {
        self.ethernet && self.wanted(config).is_some_and(|wanted| wanted.dhcp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_config::Machine;

    fn card(name: &str) -> Link {
        Link {
            name: LinkName::new(name).unwrap(),
            ethernet: true,
            virtual_kind: false,
            enslaved: false,
            carrier: true,
            mtu: 1500,
            max_mtu: 0,
        }
    }

    fn network() -> NetworkConfig {
        Machine::default().network
    }

    #[test]
    fn every_card_gets_dhcp_and_nothing_else_does() {
        assert!(card("eth0").wants_dhcp(&network()));
        assert!(
            !Link {
                ethernet: false,
                ..card("lo")
            }
            .wants_dhcp(&network())
        );
        assert!(
            !Link {
                virtual_kind: true,
                ..card("veth3")
            }
            .wants_dhcp(&network())
        );
        assert!(
            !Link {
                enslaved: true,
                ..card("eth1")
            }
            .wants_dhcp(&network())
        );
    }

    #[test]
    fn a_named_link_is_as_its_section_says() {
        let mut config = network();
        let fixed = LinkConfig {
            mtu: Some(9000),
            ..LinkConfig::default()
        };
        config.links.insert("eth0".to_owned(), fixed.clone());
        assert_eq!(card("eth0").wanted(&config), Some(fixed));
        assert!(!card("eth0").wants_dhcp(&config));
        assert!(card("eth1").wants_dhcp(&config));
    }

    #[test]
    fn without_dhcp_only_named_links_are_touched() {
        let config = NetworkConfig {
            dhcp: false,
            ..network()
        };
        assert_eq!(card("eth0").wanted(&config), None);
    }

    #[test]
    fn a_link_name_is_what_the_kernel_takes() {
        assert!(LinkName::new("enp0s31f6").is_some());
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "sixteen-bytes-xx",
            "a:0",
            "a\0",
        ] {
            assert!(LinkName::new(bad).is_none(), "{bad:?}");
        }
    }
}
