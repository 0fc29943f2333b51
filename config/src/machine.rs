//! One machine: the checked form of `system.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::{DiskName, Grant, Service, VolumeName};

/// `system.toml`, every default applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// `hostname`: default `"orlop"`.
    pub hostname: String,
    /// `[kernel]`.
    pub kernel: Kernel,
    /// `[network]`.
    pub network: NetworkConfig,
    /// `[storage] state`: the disk of state; the one that `orlop run` gives when not written.
    pub state: Option<DiskName>,
    /// `[access]`.
    pub access: Access,
    /// `[watchdog]`; none without its `timeout`.
    pub watchdog: Option<Watchdog>,
    /// `[sysctls]`: `"net.core.somaxconn" = 4096`; on top of the hardening defaults.
    pub sysctls: BTreeMap<String, String>,
    /// `[volumes.<name>]`: declared volumes.
    pub volumes: BTreeSet<VolumeName>,
    /// `size` of their `driver_opts`, in bytes, of those that have one.
    pub volume_sizes: BTreeMap<VolumeName, u64>,
    /// `profiles`: services of these are started at the boot, too.
    pub profiles: Vec<String>,
}

/// `[kernel]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// `debian`: the kernel's package; default `"linux-image-cloud-amd64"`.
    pub debian: String,
    /// `suite`: default `"bookworm"`.
    pub suite: String,
    /// `cmdline`: appended to the kernel's command line; default empty.
    pub cmdline: String,
    /// `modules`: loaded at boot, underscores for hyphens.
    pub modules: Vec<String>,
    /// `blacklist`: not loaded for a device, underscores for hyphens.
    pub blacklist: Vec<String>,
}

/// `[watchdog]`: a device that resets the machine when PID 1 does not move any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// `timeout`: whole seconds, at least two.
    pub timeout: Duration,
    /// `device`: default `/dev/watchdog`.
    pub device: PathBuf,
}

/// `[network]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// `dhcp`: on every Ethernet link that `[network.links]` does not name; default true.
    pub dhcp: bool,
    /// `dns`: upstream resolvers; those of the lease when empty.
    pub dns: Vec<Ipv4Addr>,
    /// `pool`: the bridge's network; default `172.29.0.0/16`. The first address is the bridge's.
    pub pool: (Ipv4Addr, u8),
    /// `[network.links.<name>]`.
    pub links: BTreeMap<String, LinkConfig>,
}

/// `[network.links.<name>]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkConfig {
    /// `dhcp`: default true unless `addresses` is given.
    pub dhcp: bool,
    /// `addresses`: `"192.0.2.10/24"`.
    pub addresses: Vec<(Ipv4Addr, u8)>,
    /// `gateway`.
    pub gateway: Option<Ipv4Addr>,
    /// `mtu`.
    pub mtu: Option<u32>,
}

/// `[access]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// `console`: the serial console, which the emergency shell follows.
    pub console: ConsoleAccess,
    /// `ssh_keys`: who may log in over SSH, lines of authorized_keys(5) without options.
    pub ssh_keys: Vec<String>,
    /// `ssh_control`: what a login may ask of PID 1.
    pub ssh_control: Vec<Grant>,
}

/// `[access] console`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsoleAccess {
    /// `"shell"`: a shell without a password: whoever holds the console holds the machine.
    #[default]
    Shell,
    /// `"off"`: no shell on the console, not even the emergency one; the reason is still printed.
    Off,
}

impl Machine {
    /// Whether a service's `profiles` let it be started at the boot.
    pub(crate) fn starts(&self, service: &Service) -> bool {
        let mut profiles = service.profiles.iter();
        service.profiles.is_empty() || profiles.any(|name| self.profiles.contains(name))
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            hostname: "orlop".to_owned(),
            kernel: Kernel {
                debian: "linux-image-cloud-amd64".to_owned(),
                suite: "bookworm".to_owned(),
                cmdline: String::new(),
                modules: Vec::new(),
                blacklist: Vec::new(),
            },
            network: NetworkConfig {
                dhcp: true,
                dns: Vec::new(),
                pool: (Ipv4Addr::new(172, 29, 0, 0), 16),
                links: BTreeMap::new(),
            },
            state: None,
            access: Access::default(),
            watchdog: None,
            sysctls: BTreeMap::new(),
            volumes: BTreeSet::new(),
            volume_sizes: BTreeMap::new(),
            profiles: Vec::new(),
        }
    }
}
