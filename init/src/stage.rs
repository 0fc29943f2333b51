//! The named steps of the boot and how one may end.

use std::fmt;

pub use orlop_sys::error::chain;

/// The stages in boot order. The name is the same in the log, in events, and as a test file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// /proc, /sys, /dev, /run, cgroup2; the command line.
    EarlyMounts,
    /// The modules without which the system cannot be found and mounted.
    KernelModules,
    /// The system's and the state's block devices.
    Devices,
    /// The system mounted read-only, the state read-write.
    Storage,
    /// The system becomes `/`; the initramfs gives its memory back.
    SwitchRoot,
    /// Manifests become checked values.
    LoadConfig,
    /// Hostname, machine-id, sysctls, entropy, clock.
    Identity,
    /// Links, bridge, rules; in the background of the boot.
    Network,
    /// Services run from here on.
    Supervise,
}

impl Stage {
    /// The stage's name: `early_mounts`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EarlyMounts => "early_mounts",
            Self::KernelModules => "kernel_modules",
            Self::Devices => "devices",
            Self::Storage => "storage",
            Self::SwitchRoot => "switch_root",
            Self::LoadConfig => "load_config",
            Self::Identity => "identity",
            Self::Network => "network",
            Self::Supervise => "supervise",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a stage hands on, and what it could not do although the boot goes on.
#[derive(Debug)]
pub struct Done<T> {
    /// For the next stages.
    pub value: T,
    /// One sentence each; empty when all went well.
    pub degraded: Vec<String>,
}

impl<T> From<T> for Done<T> {
    fn from(value: T) -> Self {
        Self {
            value,
            degraded: Vec::new(),
        }
    }
}

/// The boot cannot go on: one sentence that says why and what to do. Ends on the emergency console.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fatal(pub String);
