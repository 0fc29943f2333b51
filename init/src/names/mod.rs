//! The names that services find: `/etc/hosts` and `/etc/resolv.conf` of their containers, which are
//! files of PID 1 that every launch binds read-only.
//!
//! One of each serves all services that add nothing of their own; the others have theirs beside.
//! Containers hold these very files, so they are written over in place. Addresses are given to all
//! services before the first launch (`network::Pool`), so `/etc/hosts` never changes.

mod hosts;
mod in_place;
mod resolv_conf;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use orlop_config::{NetworkMode, Resolver, Service};

use crate::network::Pool;
use crate::report::Report;
use crate::stage::chain;
use hosts::Hosts;

/// Those of one service each.
const OWN: &str = "/run/orlop/names";
const HOSTS: &str = "/run/orlop/hosts";
const RESOLV_CONF: &str = "/run/orlop/resolv.conf";

/// What is bound on a service's `/etc/hosts`. Nothing for one without a network that asks for
/// nothing: its image's own says where `localhost` is.
#[must_use]
pub fn hosts_file(service: &Service) -> Option<PathBuf> {
    let plain = service.extra_hosts.is_empty()
        && service.domainname.is_none()
        && service.hostname == service.name.as_str();
    shared_or_own(service, plain, HOSTS, "hosts")
}

/// What is bound on a service's `/etc/resolv.conf`; nothing for one without a network that asks for
/// nothing.
#[must_use]
pub fn resolv_conf_file(service: &Service) -> Option<PathBuf> {
    let plain = service.resolver == Resolver::default();
    shared_or_own(service, plain, RESOLV_CONF, "resolv.conf")
}

fn shared_or_own(service: &Service, plain: bool, shared: &str, kind: &str) -> Option<PathBuf> {
    match (plain, service.network_mode) {
        (true, NetworkMode::None) => None,
        (true, _) => Some(PathBuf::from(shared)),
        (false, _) => Some(Path::new(OWN).join(format!("{}.{kind}", service.name))),
    }
}

/// The files that follow the resolvers.
#[derive(Debug)]
pub struct Names {
    resolvers: Vec<(PathBuf, Resolver)>,
}

impl Names {
    /// Writes all files for the first time, before anything is launched. `dns` is what `system.toml`
    /// names.
    pub(crate) fn prepare<'a>(
        services: impl Iterator<Item = &'a Service> + Clone,
        pool: &Pool,
        dns: &[Ipv4Addr],
        report: &Report,
    ) -> Self {
        let hosts = Hosts::new(services.clone(), pool);
        write(Path::new(HOSTS), &hosts.shared(), report);
        let mut resolvers = vec![(PathBuf::from(RESOLV_CONF), Resolver::default())];
        for service in services {
            let own = |file: &PathBuf| file.starts_with(OWN);
            let (hosts_file, resolv_conf) = (hosts_file(service), resolv_conf_file(service));
            let [hosts_file, resolv_conf] = [hosts_file, resolv_conf].map(|file| file.filter(own));
            if hosts_file.is_some() || resolv_conf.is_some() {
                // That it is there already is no news, anything else is said by the writing.
                let _exists = fs::create_dir(OWN);
            }
            if let Some(file) = hosts_file {
                write(&file, &hosts.of(service, pool), report);
            }
            resolvers.extend(resolv_conf.map(|file| (file, service.resolver.clone())));
        }
        let names = Self { resolvers };
        names.follow(dns, report);
        names
    }

    /// The machine's resolvers are these now.
    pub(crate) fn follow(&self, resolvers: &[Ipv4Addr], report: &Report) {
        for (file, own) in &self.resolvers {
            write(file, &resolv_conf::text(own, resolvers), report);
        }
    }
}

fn write(file: &Path, text: &str, report: &Report) {
    if let Err(error) = in_place::write(file, text) {
        report.warn(&format!("writing {}: {}", file.display(), chain(&error)));
    }
}
