//! A thousand services in one machine: the graph solved, every one launched, and how long PID 1 heard
//! nothing meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use orlop_qemu_tests::MachineBuilder;
use orlop_qemu_tests::trace::{self, Fact, What};

/// How many there are.
pub(crate) const SERVICES: usize = 1000;

/// What one boot has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Many {
    /// From the hand-over to PID 1 until the thousandth program began, milliseconds.
    pub(crate) all_up_ms: u128,
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
    // PID 1 keeps 64 KiB of events for a port that is not there yet, so they are not all said: the
    // kernel counts.
    vm.wait_boot()?;
    let limit = Instant::now() + orlop_qemu_tests::HANG_LIMIT;
    let (facts, all_up) = loop {
        let facts = vm.trace()?;
        let programs = facts
            .iter()
            .filter(|fact| is_exec(fact, "/usr/bin/payload"));
        if let Some(last) = programs.map(|fact| fact.at).nth(SERVICES - 1) {
            break (facts, last);
        }
        ensure!(Instant::now() < limit, "not all have started");
        std::thread::sleep(Duration::from_secs(1));
    };
    let handed_over = facts.iter().find(|fact| is_exec(fact, "/init"));
    let handed_over = handed_over.context("PID 1 never began")?.at;
    let all_up_ms = all_up.saturating_sub(handed_over).as_millis();
    let (away, _) = trace::longest_away(&facts).context("PID 1 never waited")?;
    Ok(Many { all_up_ms, away })
}

fn is_exec(fact: &Fact, wanted: &str) -> bool {
    matches!(&fact.what, What::Exec { program } if program == wanted)
}
