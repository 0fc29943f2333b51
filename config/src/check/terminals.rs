//! Terminals: what is typed at one reaches whoever reads first, so one service should hold it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Files;
use crate::tree::quoted;
use crate::{Condition, ServiceName};

/// Warns of a terminal that two services hold, unless one of them waits for the other's end.
pub(super) fn check_terminals(files: &mut Files<'_>) {
    let mut holders: BTreeMap<PathBuf, Vec<ServiceName>> = BTreeMap::new();
    for (name, file) in files.iter() {
        for (device, _) in file
            .draft
            .devices
            .iter()
            .filter(|(path, _)| is_terminal(path))
        {
            let holders = holders.entry(device.clone()).or_default();
            holders.push(name.clone());
        }
    }
    holders.retain(|_, holders| holders.len() > 1);
    let mut in_turn = Vec::new();
    for (name, file) in files.iter() {
        let depends_on = file.draft.depends_on.iter();
        let ends =
            depends_on.filter(|(_, how, _)| how.condition == Condition::CompletedSuccessfully);
        in_turn.extend(ends.map(|(other, ..)| (name.clone(), other.clone())));
    }
    for (name, file) in files.iter_mut() {
        for (device, place) in &file.draft.devices {
            let others = holders.get(device).into_iter().flatten();
            let together = |other: &&ServiceName| {
                let pair = |a: &ServiceName, b: &ServiceName| (a.clone(), b.clone());
                !in_turn.contains(&pair(name, other)) && !in_turn.contains(&pair(other, name))
            };
            let mut others = others.filter(|other| *other < name).filter(together);
            if let Some(other) = others.next() {
                let (device, other) = (quoted(&device.to_string_lossy()), quoted(other.as_str()));
                file.findings.warning(
                    place,
                    format!("{device} is held by the service {other} too, and what is typed there reaches one of the two; remove it from one, or write depends_on with condition = \"service_completed_successfully\""),
                );
            }
        }
    }
}

fn is_terminal(path: &Path) -> bool {
    let name = path.strip_prefix("/dev").ok().and_then(Path::to_str);
    name.is_some_and(|name| {
        name == "console" || ["tty", "hvc"].iter().any(|kind| name.starts_with(kind))
    })
}
