//! `build.json`: what `orlop run` needs to know of a built machine.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The content of `<machine>/build/build.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildInfo {
    /// The machine folder's name.
    pub machine: String,
    /// `hostname` of `system.toml`.
    pub hostname: String,
    /// The kernel's release, such as `6.1.0-1-cloud-amd64`.
    pub kernel_release: String,
    /// The drivers of disks that the kernel has, as modules or built in, such as `ahci`: those of
    /// [`crate::kernel::DISK_DRIVERS`], in their order.
    pub disk_drivers: Vec<String>,
    /// The whole kernel command line.
    pub cmdline: String,
    /// Below this much memory, in MiB, the machine does not come up.
    pub min_memory_mib: u64,
    /// Whether the initramfs carries the system, so that the machine needs no system disk.
    pub initramfs_system: bool,
    /// Whether a service keeps anything in a named volume.
    pub has_volumes: bool,
    /// Whether a volume has a size, for which the state disk keeps account of what each has.
    pub has_volume_sizes: bool,
    /// SHA-256 of `system.erofs`, hexadecimal.
    pub system_sha256: String,
    /// What the services publish, for the workstation to forward.
    pub ports: Vec<ForwardedPort>,
    /// SHA-256 over everything that the outputs were made from, hexadecimal.
    pub inputs_sha256: String,
}

/// One published port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardedPort {
    /// The service that publishes it.
    pub service: String,
    /// The address that the manifest names; all when absent.
    pub host_ip: Option<Ipv4Addr>,
    /// The machine's port, and the workstation's.
    pub published: u16,
    /// The container's port.
    pub target: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

impl BuildInfo {
    /// Reads `<build>/build.json`.
    ///
    /// # Errors
    /// When the file is missing or not of this version of the tool.
    pub fn load(build: &Path) -> Result<Self> {
        let path = build.join("build.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("read {}; `orlop build` makes it", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("parse {}; `orlop build` makes it anew", path.display()))
    }
}
