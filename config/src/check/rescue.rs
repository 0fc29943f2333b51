//! `on_failure = "start:name"`: who is started when a service has failed for good.

use std::collections::BTreeSet;

use super::{Files, Said};
use crate::ServiceName;
use crate::compact::gather;
use crate::tree::quoted;

pub(super) fn check_rescues(files: &Files<'_>, said: &mut Said) {
    for (name, file) in files {
        let Some((rescue, place)) = &file.draft.rescue else {
            continue;
        };
        let shown = quoted(rescue.as_str());
        let other = files.get(rescue).map(|file| &file.draft);
        let at_boot = other.and_then(|draft| draft.service.as_ref());
        if rescue == name {
            let message =
                "what has failed is not its own rescue; write another service, or remove it";
            said.error(name, place, message.to_owned());
        } else if let Some(circle) = circle(files, name) {
            let message = format!("these start each other for ever, {circle}; remove one of them");
            said.error(name, place, message);
        } else if requires(files, rescue, name) {
            let message = format!(
                "{shown} requires this service, so that its failure would start it again for ever; write another service, or remove that dependency"
            );
            said.error(name, place, message);
        } else if other.is_some_and(|draft| draft.instances() > 1) {
            let message = format!("{shown} has several instances; write a service without scale");
            said.error(name, place, message);
        } else if at_boot.is_some_and(|service| service.supervision.start_at_boot) {
            let message = format!(
                "{shown} is started at the boot anyway; write scale = 0 in services/{rescue}/service.toml"
            );
            said.warning(name, place, message);
        }
    }
}

/// Whether a service requires the other one, directly or not: its start then starts that one, too.
fn requires(files: &Files<'_>, name: &ServiceName, other: &ServiceName) -> bool {
    let mut seen: BTreeSet<&ServiceName> = gather([name]);
    let mut ahead = vec![name];
    while let Some(file) = ahead.pop().and_then(|name| files.get(name)) {
        let needed = file.draft.depends_on.iter();
        for (needed, _, _) in needed.filter(|(_, edge, _)| edge.required) {
            if needed == other {
                return true;
            }
            if seen.insert(needed) {
                ahead.push(needed);
            }
        }
    }
    false
}

/// The way from a service over its rescue, the rescue's own and so on back to it, when there is one
/// and it is the first of it by name.
fn circle(files: &Files<'_>, first: &ServiceName) -> Option<String> {
    let mut names = first.to_string();
    let mut at = first;
    for _ in 0..files.len() {
        at = &files.get(at)?.draft.rescue.as_ref()?.0;
        names.push_str(" → ");
        names.push_str(at.as_str());
        if at <= first {
            return (at == first).then_some(names);
        }
    }
    None
}
