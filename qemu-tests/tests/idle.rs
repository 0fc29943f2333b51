//! Nothing to do, nothing done: PID 1 sleeps while its services idle.

use anyhow::{Context, Result};
use orlop_qemu_tests::{MachineBuilder, Vm, Witness};

fn boot() -> Result<Vm> {
    let mut machine =
        MachineBuilder::with(&[])?.shell_service("idle", "exec busybox sleep 1000000", "");
    for number in 0..49 {
        let toml = "image = \"idle\"\ncommand = [\"/bin/busybox\", \"sleep\", \"1000000\"]\n";
        machine = machine.service(&format!("idle{number}"), toml);
    }
    let vm = machine.witness().boot()?;
    vm.wait_boot()?;
    Ok(vm)
}

/// How often PID 1 has gone to sleep and was made to (proc_pid_status(5)), over so many seconds.
fn wake_ups(witness: &mut Witness, seconds: u32) -> Result<u64> {
    let count = "awk '/ctxt_switches/ { sum += $2 } END { print sum }' /proc/1/status";
    let said = witness.run(&format!("{count}; sleep {seconds}; {count}"))?;
    let counts: Vec<u64> = said.lines().filter_map(|line| line.parse().ok()).collect();
    let (before, after) = (counts.first(), counts.get(1));
    Ok(after.context("no count")? - before.context("no count")?)
}

#[test]
fn pid_1_does_not_wake_up_for_fifty_idle_services() {
    let vm = boot().unwrap();
    let mut witness = vm.witness().unwrap();
    // What loads after the boot ends some day, and a run of 10 s clears the record of each service:
    // one more wake-up. Whatever comes again and again would be in each half minute.
    let slept = (0..5).any(|_| wake_ups(&mut witness, 30).unwrap() == 0);
    assert!(slept, "PID 1 never slept for half a minute");
}
