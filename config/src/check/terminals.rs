//! Terminals: what is typed at one reaches whoever reads first, so one service should hold it.

use std::path::Path;

use super::{File, Files, Said};
use crate::tree::quoted;
use crate::{Condition, ServiceName};

/// Warns of a terminal that two services hold, unless one of them waits for the other's end.
pub(super) fn check_terminals(files: &Files<'_>, said: &mut Said) {
    for (name, file) in files {
        let devices = file.draft.devices.iter();
        for (device, place) in devices.filter(|(device, _)| is_terminal(device)) {
            let mut before = files.iter().take_while(|(other, _)| *other < name);
            let shared = before.find(|(other, held)| {
                held.draft
                    .devices
                    .iter()
                    .any(|(theirs, _)| theirs == device)
                    && !waits_for_end(file, other)
                    && !waits_for_end(held, name)
            });
            if let Some((other, _)) = shared {
                let (device, other) = (quoted(&device.to_string_lossy()), quoted(other.as_str()));
                said.warning(
                    name,
                    place,
                    format!("{device} is held by the service {other} too, and what is typed there reaches one of the two; remove it from one, or write depends_on with condition = \"service_completed_successfully\""),
                );
            }
        }
    }
}

fn waits_for_end(file: &File<'_>, other: &ServiceName) -> bool {
    let mut depends_on = file.draft.depends_on.iter();
    depends_on
        .any(|(name, how, _)| name == other && how.condition == Condition::CompletedSuccessfully)
}

fn is_terminal(path: &Path) -> bool {
    let name = path.strip_prefix("/dev").ok().and_then(Path::to_str);
    name.is_some_and(|name| name == "console" || name.starts_with("tty") || name.starts_with("hvc"))
}
