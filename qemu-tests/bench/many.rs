//! A thousand services in one machine: the graph solved, every one launched, and how long PID 1 heard
//! nothing meanwhile.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orlop_qemu_tests::{MachineBuilder, trace};
use serde_json::Value;

/// How many there are.
pub(crate) const SERVICES: u64 = 1000;

/// What one boot has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Many {
    /// From the hand-over to PID 1 until the last one was up, milliseconds.
    pub(crate) all_up_ms: u64,
    /// The longest time from the end of one epoll_wait(2) of PID 1 to the begin of the next, by the
    /// kernel's trace of its system calls.
    pub(crate) away: Duration,
}

/// Boots them: a tree in which each service waits for the one above it.
pub(crate) fn run(payload: &Path) -> Result<Many> {
    let mut machine = MachineBuilder::with(&[])?.arguments(&["--memory=5G", "--no-state"]);
    for number in 0..SERVICES {
        let mut manifest = String::from(
            "image = \"bench\"\ncommand = [\"/usr/bin/payload\"]\nnetwork_mode = \"none\"\n",
        );
        match number.checked_sub(1) {
            None => {
                manifest.push_str("build = { files = { \"payload\" = \"/usr/bin/payload\" } }\n")
            }
            Some(before) => manifest.push_str(&format!("depends_on = [\"s{}\"]\n", before / 2)),
        }
        machine = machine.service(&format!("s{number}"), &manifest);
    }
    std::fs::copy(payload, machine.path("services/s0/payload")).context("copy the payload")?;
    let system = "[network]\ndhcp = false\n";
    let vm = machine.file("system.toml", system).witness_waits().boot()?;
    let number = |event: &Value, key| event.get(key).and_then(Value::as_u64).unwrap_or_default();
    let boot = vm.wait_boot()?;
    ensure!(
        number(&boot, "up") == SERVICES,
        "not all were up when the boot was complete: {boot}"
    );
    let all_up_ms = number(&boot, "boot_ms");
    let facts = vm.trace()?;
    let (away, _) = trace::longest_away(&facts).context("PID 1 never waited")?;
    Ok(Many { all_up_ms, away })
}
