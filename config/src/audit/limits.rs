//! Limits that are not there.

use super::{Found, Reach};
use crate::Service;

/// `pids_limit` when the manifest does not say.
const USUAL_PROCESSES: u64 = 2048;
/// Main processes that do not wait for children that are not theirs.
const SHELLS: [&str; 4] = ["sh", "bash", "dash", "ash"];

pub(super) fn look(service: &Service, found: &mut Found<'_>) {
    if service.mem_limit.is_none() {
        found.add(
            Reach::Services,
            "no mem_limit",
            "it may take all memory; then the kernel ends it, or another service without a limit",
            "mem_limit = \"128m\", or what it needs",
        );
    }
    if let Some(limit) = service.pids_limit
        && limit > USUAL_PROCESSES
    {
        found.add(
            Reach::Machine,
            format!("pids_limit = {limit}"),
            "it may start more processes than others, and the process ids of the machine are for all",
            "leave `pids_limit` out: 2048",
        );
    }
    if service.pids_limit.is_none() {
        found.add(
            Reach::Machine,
            "pids_limit = -1",
            "it may start processes until the machine has no process id left for anybody",
            "leave `pids_limit` out: 2048",
        );
    }
    let mut words = service.entrypoint.iter().chain(&service.command);
    let program = words.next().and_then(|word| word.rsplit('/').next());
    if !service.init && program.is_some_and(|name| SHELLS.contains(&name)) {
        found.add(
            Reach::Itself,
            "no init",
            "its main process is a shell, which hears no SIGTERM and may leave ended processes behind",
            "init = true",
        );
    }
}
