//! `scale`: one manifest becomes its instances, and who depends on it depends on each.

use std::collections::{BTreeMap, BTreeSet};

use super::{Files, Said};
use crate::tree::quoted;
use crate::{Replica, Service, ServiceName};

/// What an instance finds in its environment: its index from 1.
pub(crate) const INDEX_VARIABLE: &str = "ORLOP_REPLICA";

/// How often a service runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    count: u32,
    /// Each instance is called by its own name, as `hostname` is not written.
    own_hostnames: bool,
}

type Services = BTreeMap<ServiceName, Service>;
/// By name, of those that run other than once.
type Scales = Vec<(ServiceName, Scale)>;

/// The services that run other than once.
pub(super) fn scales(files: &Files<'_>) -> Scales {
    let scale = |(name, file): (&ServiceName, &super::File<'_>)| {
        let count = file.draft.instances();
        let scale = Scale {
            count,
            own_hostnames: !file.draft.names_host,
        };
        (count != 1).then(|| (name.clone(), scale))
    };
    files.iter().filter_map(scale).collect()
}

/// No instance may be called as another service is.
pub(super) fn check_names(files: &Files<'_>, known: &BTreeSet<String>, said: &mut Said) {
    for (name, file) in files {
        let Some((count @ 2.., place)) = &file.draft.scale else {
            continue;
        };
        if instance(name, *count).is_none() {
            let message =
                "the names of its instances would be longer than 63 letters; rename the folder";
            said.error(name, place, message.to_owned());
            continue;
        }
        let mut names = (1..=*count).map(|index| format!("{name}-{index}"));
        if let Some(taken) = names.find(|instance| known.contains(instance)) {
            let message = format!(
                "an instance would be called {}, as another service is; rename the folder services/{taken}",
                quoted(&taken)
            );
            said.error(name, place, message);
        }
    }
}

fn instance(of: &ServiceName, index: u32) -> Option<ServiceName> {
    ServiceName::new(&format!("{of}-{index}"))
}

/// Makes each instance a service of its own. Who depends on a service with `scale = 0` is only
/// ordered after it: Compose does not wait for one without a container either.
pub(super) fn expand(services: Services, scales: &Scales) -> Services {
    if scales.is_empty() {
        return services;
    }
    let mut expanded = Services::new();
    for (name, mut service) in services {
        point_to_instances(&mut service, scales);
        match scale_of(&name, scales) {
            Some(scale) if scale.count > 1 => {
                for index in 1..=scale.count {
                    if let Some(name) = instance(&name, index) {
                        expanded.insert(name.clone(), replica(&service, name, index, scale));
                    }
                }
            }
            _ => {
                expanded.insert(name, service);
            }
        }
    }
    expanded
}

fn scale_of(name: &ServiceName, scales: &Scales) -> Option<Scale> {
    let at = scales.binary_search_by(|(other, _)| other.cmp(name)).ok()?;
    scales.get(at).map(|(_, scale)| *scale)
}

fn replica(service: &Service, name: ServiceName, index: u32, scale: Scale) -> Service {
    let mut replica = service.clone();
    replica.supervision.replica = Some(Replica {
        of: std::mem::replace(&mut replica.name, name),
        index,
        count: scale.count,
    });
    if scale.own_hostnames {
        replica.hostname = replica.name.to_string();
    }
    let variables = &mut replica.environment;
    variables
        .entry(INDEX_VARIABLE.to_owned())
        .or_insert_with(|| index.to_string());
    replica
}

fn point_to_instances(service: &mut Service, scales: &Scales) {
    for (needed, how) in std::mem::take(&mut service.depends_on) {
        match scale_of(&needed, scales) {
            Some(Scale { count: 0, .. }) => {
                service.supervision.after.insert(needed);
            }
            _ => {
                let all = instances(&needed, scales);
                service.depends_on.extend(all.map(|name| (name, how)));
            }
        }
    }
    let supervision = &mut service.supervision;
    for names in [&mut supervision.after, &mut supervision.before] {
        let written = std::mem::take(names);
        names.extend(written.iter().flat_map(|name| instances(name, scales)));
    }
}

/// The services that a name stands for.
fn instances(name: &ServiceName, scales: &Scales) -> impl Iterator<Item = ServiceName> {
    let count = scale_of(name, scales).map_or(1, |scale| scale.count);
    let alone = (count < 2).then(|| name.clone());
    let several = (1..=count).filter(move |_| count > 1);
    let several = several.filter_map({
        let name = name.clone();
        move |index| instance(&name, index)
    });
    alone.into_iter().chain(several)
}
