//! `boot.json`: what PID 1 knows before it has read a manifest (`docs/architecture.md`).

use anyhow::{Context, Result};
use orlop_config::ConsoleAccess;
use serde::Serialize;

/// The file, the same in the initramfs and in the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootJson<'a> {
    /// The kernel's release.
    pub kernel_release: &'a str,
    /// No clock is earlier, in seconds since 1970.
    pub epoch: u64,
    /// `shell` or `off`: whether an emergency may give a shell.
    pub console: &'a str,
    /// The disk of state when `system.toml` names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// As in `build.json`.
    pub min_memory_mib: u64,
    /// Load order of each batch.
    pub modules: Batches<'a>,
}

/// Load order of each batch, names without `.ko`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Batches<'a> {
    /// For finding and mounting the system; in the initramfs.
    pub boot: &'a [String],
    /// For opening the system on a disk; in the initramfs of disks.
    pub disk: &'a [String],
    /// Console ports, entropy, power button.
    pub machine: &'a [String],
    /// Links, bridge, nftables.
    pub network: &'a [String],
    /// For a writable root.
    pub overlay: &'a [String],
    /// For a state disk on which volumes can have a size.
    pub quota: &'a [String],
}

/// As written in `system.toml`.
#[must_use]
pub fn console(access: ConsoleAccess) -> &'static str {
    match access {
        ConsoleAccess::Shell => "shell",
        ConsoleAccess::Off => "off",
    }
}

impl BootJson<'_> {
    /// The text.
    ///
    /// # Errors
    /// Never for these types; serde_json's signature has one.
    pub fn to_text(&self) -> Result<String> {
        serde_json::to_string(self).context("write boot.json")
    }
}
