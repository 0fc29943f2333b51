//! `/boot.json`: what the builder resolved so that PID 1 need not look for it.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

/// The builder's facts about this image, the same file in the initramfs and in the system.
#[derive(Debug, Clone, Deserialize)]
pub struct BootInfo {
    /// The kernel that the modules belong to, as `uname -r` prints it.
    pub kernel_release: String,
    /// Unix time of the newest input: the clock is never before it.
    pub epoch: u64,
    /// `[access] console` as it was at build: what an emergency before `load_config` may do.
    pub console: String,
    /// `[storage] state` as it was at build.
    #[serde(default)]
    pub state: Option<String>,
    /// Below this the machine does not hold its services in memory.
    pub min_memory_mib: u64,
    /// Kernel modules in load order.
    pub modules: Batches,
}

/// Module names in load order, one batch for each moment they are needed at.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Batches {
    /// Before the system is found and mounted.
    #[serde(default)]
    pub boot: Vec<String>,
    /// For opening the system on a slot of a disk.
    #[serde(default)]
    pub disk: Vec<String>,
    /// Console ports, random numbers, the power button.
    #[serde(default)]
    pub machine: Vec<String>,
    /// Links, bridge, rules.
    #[serde(default)]
    pub network: Vec<String>,
    /// Only when a service has a writable root.
    #[serde(default)]
    pub overlay: Vec<String>,
    /// Only for a state disk on which volumes can have a size.
    #[serde(default)]
    pub quota: Vec<String>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootInfoError {
    /// It cannot be read.
    #[error("reading {path}")]
    Read {
        /// Where it should be.
        path: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// It is not what a builder writes.
    #[error("parsing {path}")]
    Parse {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads the builder's facts.
///
/// # Errors
/// When the file is missing or is not JSON of that shape.
pub fn load_boot_info(path: &Path) -> Result<BootInfo, BootInfoError> {
    let shown = || path.display().to_string();
    let text = fs::read_to_string(path).map_err(|source| BootInfoError::Read {
        path: shown(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|source| BootInfoError::Parse {
        path: shown(),
        source,
    })
}
