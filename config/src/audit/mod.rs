//! `orlop audit`: what manifests grant beyond a `restricted` service that was given nothing, what
//! each grant allows, and the stricter line to write instead. Pure; PID 1 does not use it.

mod capabilities;
mod control;
mod failure;
mod isolation;
mod limits;
mod volumes;

use std::collections::BTreeMap;
use std::fmt;

use crate::{Service, ServiceName};

/// How far a grant reaches: whom a service that is taken over can harm by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Only the service, its files and what it was given.
    Itself,
    /// Other services, or who uses the machine's network.
    Services,
    /// The machine: its kernel, devices, network or all services.
    Machine,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Itself => "itself",
            Self::Services => "services",
            Self::Machine => "machine",
        })
    }
}

/// One thing that a manifest allows its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Whose.
    pub service: ServiceName,
    /// How far it reaches.
    pub reach: Reach,
    /// As the manifest says it; `no mem_limit` for what it does not say.
    pub line: String,
    /// What it allows, in one sentence.
    pub allows: String,
    /// What to write instead.
    pub instead: String,
}

/// Everything that these services are allowed beyond `restricted`, by service, what reaches furthest
/// first.
#[must_use]
pub fn audit(services: &BTreeMap<ServiceName, Service>) -> Vec<Allowance> {
    let mut all = Vec::new();
    for service in services.values() {
        let mut found = Found {
            service: &service.name,
            all: Vec::new(),
        };
        isolation::look(service, &mut found);
        capabilities::look(service, &mut found);
        control::look(service, &mut found);
        failure::look(service, &mut found);
        volumes::look(service, services, &mut found);
        limits::look(service, &mut found);
        found
            .all
            .sort_by_key(|allowance| std::cmp::Reverse(allowance.reach));
        all.append(&mut found.all);
    }
    all
}

/// What was found for one service.
struct Found<'a> {
    service: &'a ServiceName,
    all: Vec<Allowance>,
}

impl Found<'_> {
    fn add(
        &mut self,
        reach: Reach,
        line: impl Into<String>,
        allows: impl Into<String>,
        instead: impl Into<String>,
    ) {
        self.all.push(Allowance {
            service: self.service.clone(),
            reach,
            line: line.into(),
            allows: allows.into(),
            instead: instead.into(),
        });
    }
}
