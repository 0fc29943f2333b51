//! `io.orlop.machine.Info`.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// An address of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAddress {
    /// The interface.
    pub link: String,
    /// The address.
    pub address: Ipv4Addr,
    /// The network's length in bits.
    pub prefix_length: u8,
}

/// About the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineInfo {
    /// The host name.
    pub hostname: String,
    /// Orlop's version.
    pub version: String,
    /// The kernel's release.
    pub kernel: String,
    /// CLOCK_BOOTTIME, milliseconds.
    pub uptime_ms: u64,
    /// The machine's addresses.
    pub addresses: Vec<LinkAddress>,
}
