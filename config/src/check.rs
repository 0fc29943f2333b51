//! The whole set of manifests checked together: what one file cannot know alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Diagnostic, Machine, Service, ServiceName, SourceFile};

/// Everything that a machine's manifests are read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `system.toml`; defaults for all of it when absent.
    pub system: Option<SourceFile>,
    /// Folder name → `service.toml`.
    pub services: BTreeMap<String, SourceFile>,
    /// Images that exist beside those that the services' `build`s make (the catalogue's, or in the
    /// machine all that the system image holds).
    pub images: BTreeSet<String>,
}

/// What the check found. A broken section of `system.toml` falls back to its defaults; a broken
/// service is left out and named; the rest is good to run.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The machine.
    pub machine: Machine,
    /// The services that can run.
    pub services: BTreeMap<ServiceName, Service>,
    /// The services that cannot, each with its first error's sentence.
    pub broken: BTreeMap<String, String>,
    /// Every finding of every file, in file and line order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses and checks everything: each file alone, then names across files, cycles, ports.
#[must_use]
pub fn check(_sources: &Sources) -> Checked {
    Checked {
        machine: Machine::default(),
        services: BTreeMap::new(),
        broken: BTreeMap::new(),
        diagnostics: Vec::new(),
    }
}
