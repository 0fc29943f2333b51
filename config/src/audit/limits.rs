//! Limits that are not there.

use super::{Found, Reach};
use crate::Service;

/// `pids_limit` when the manifest does not say.
const USUAL_PROCESSES: u64 = 2048;
/// `nofile` when the manifest does not say.
const USUAL_FILES: u64 = 1024;
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
    for limit in &service.ulimits {
        let (reach, allows) = match limit.name {
            "nofile" if limit.hard > USUAL_FILES => (
                Reach::Machine,
                "it may open more files than others, and the machine's table of open files is for all",
            ),
            "core" if limit.hard > 0 => (
                Reach::Itself,
                "its memory, secrets and all, is written to a file when it crashes",
            ),
            "nice" | "rtprio" if limit.hard > 0 => (
                Reach::Machine,
                "it may take the CPU from every other process of the machine",
            ),
            "memlock" | "msgqueue" | "sigpending" => (
                Reach::Services,
                "it may hold memory of the kernel that nobody can take back",
            ),
            _ => continue,
        };
        let hard = match limit.hard {
            u64::MAX => "-1".to_owned(),
            hard => hard.to_string(),
        };
        found.add(
            reach,
            format!("ulimits = {{ {} = {hard} }}", limit.name),
            allows,
            format!("leave `{}` out of ulimits", limit.name),
        );
    }
    if let Some(score @ ..0) = service.oom_score_adj {
        let (reach, allows) = match score {
            -1000 => (
                Reach::Machine,
                "it is never killed when the machine is out of memory, whatever it holds of it",
            ),
            _ => (
                Reach::Services,
                "when the machine is out of memory others are killed before it",
            ),
        };
        found.add(
            reach,
            format!("oom_score_adj = {score}"),
            allows,
            "leave `oom_score_adj` out, and write a mem_limit",
        );
    }
    if let Some(bytes) = service.resources.mem_reservation {
        found.add(
            Reach::Services,
            format!("mem_reservation = {bytes}"),
            "so much memory is taken from others before it is taken from this one",
            "leave `mem_reservation` out",
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
