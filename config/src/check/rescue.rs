//! `on_failure = "start:name"`: who is started when a service has failed for good.

use std::collections::{BTreeMap, BTreeSet};

use super::Files;
use super::cycles::{Graph, cycles};
use crate::ServiceName;
use crate::tree::quoted;

pub(super) fn check_rescues(files: &mut Files<'_>) {
    let facts: BTreeMap<ServiceName, (u32, bool)> = files
        .iter()
        .filter_map(|(name, file)| {
            let service = file.draft.service.as_ref()?;
            let at_boot = service.supervision.start_at_boot;
            Some((name.clone(), (file.draft.instances(), at_boot)))
        })
        .collect();
    let mut graph = Graph::new();
    for (name, file) in files.iter_mut() {
        let Some((rescue, place)) = &file.draft.rescue else {
            continue;
        };
        if rescue != name {
            graph.insert(name.clone(), BTreeSet::from([rescue.clone()]));
        }
        let shown = quoted(rescue.as_str());
        match facts.get(rescue) {
            _ if rescue == name => file.findings.error(
                place,
                "what has failed is not its own rescue; write another service, or remove it",
            ),
            Some((2.., _)) => file.findings.error(
                place,
                format!("{shown} has several instances; write a service without scale"),
            ),
            Some((_, true)) => file.findings.warning(
                place,
                format!("{shown} is started at the boot anyway; write scale = 0 in services/{rescue}/service.toml"),
            ),
            _ => {}
        }
    }
    for cycle in cycles(graph) {
        let Some(first) = cycle.first() else {
            continue;
        };
        let names: Vec<&str> = cycle
            .iter()
            .chain([first])
            .map(ServiceName::as_str)
            .collect();
        if let Some(file) = files.get_mut(first)
            && let Some((_, place)) = &file.draft.rescue
        {
            let names = names.join(" → ");
            let message = format!("these start each other for ever, {names}; remove one of them");
            file.findings.error(place, message);
        }
    }
}
