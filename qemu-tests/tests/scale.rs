//! Many services in one machine cost each what few do: what PID 1 pays for a launch, in processor
//! time and memory, grows with their number and not faster. Memory is asserted, times are printed.
//!
//! ORLOP_SERVICES: how many are many; 100 in `make test`, 500 in `make soak`.

use anyhow::{Context, Result};
use orlop_qemu_tests::{MachineBuilder, Vm};

const FEW: u64 = 10;
/// One at 500 may cost 1.2 of one at 10 (issue 4, line 5).
const LIMIT: f64 = 1.2;

/// What a machine has cost when all its services are up.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Microseconds of PID 1 on a processor, its forks not counted (/proc/1/schedstat).
    cpu_us: f64,
    /// KiB of anonymous memory of PID 1.
    memory_kib: f64,
    /// Milliseconds from the hand-over to PID 1 until the last one was up.
    up_ms: f64,
}

fn many() -> u64 {
    let text = std::env::var("ORLOP_SERVICES").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(100)
}

/// Boots with so many services.
fn boot(services: u64) -> Result<Vm> {
    let mut machine = MachineBuilder::with(&[])?
        .file("system.toml", "[network]\ndhcp = false\n")
        .arguments(&["--memory=3G", "--no-state"]);
    for number in 0..services {
        let build = match number {
            0 => "build = { debian = [\"busybox-static\"] }\n",
            _ => "",
        };
        let toml = format!(
            "image = \"image\"\ncommand = [\"/bin/busybox\", \"sleep\", \"1000000\"]\nnetwork_mode = \"none\"\n{build}"
        );
        machine = machine.service(&format!("s{number}"), &toml);
    }
    machine.witness().boot()
}

fn cost(services: u64) -> Result<Cost> {
    let vm = boot(services)?;
    let boot = vm.wait_boot()?;
    let up = boot.get("up").and_then(serde_json::Value::as_u64);
    anyhow::ensure!(up == Some(services), "not all came up: {boot}");
    let mut witness = vm.witness()?;
    let said = witness.run("cat /proc/1/schedstat; grep RssAnon /proc/1/status")?;
    let mut words = said.split_whitespace();
    let cpu_ns: f64 = words.next().context("no schedstat")?.parse()?;
    let memory = words.skip_while(|word| *word != "RssAnon:").nth(1);
    Ok(Cost {
        cpu_us: cpu_ns / 1e3,
        memory_kib: memory.context("no RssAnon")?.parse()?,
        up_ms: boot
            .get("boot_ms")
            .and_then(serde_json::Value::as_f64)
            .context("no boot_ms")?,
    })
}

#[test]
fn one_of_many_services_costs_what_one_of_few_does() {
    let many = many();
    let [none, few, lots] = [1, 1 + FEW, 1 + many].map(|services| cost(services).unwrap());
    let each = |of: fn(&Cost) -> f64, what: &str| {
        #[expect(clippy::cast_precision_loss, reason = "a number of services")]
        let one = |cost: &Cost, count: u64| (of(cost) - of(&none)) / count as f64;
        let (at_few, at_many) = (one(&few, FEW), one(&lots, many));
        let ratio = at_many / at_few;
        println!(
            "{what}: {at_few:.2} for each of {FEW}, {at_many:.2} for each of {many}: {ratio:.2}"
        );
        ratio
    };
    // Times are for people: they depend on what else the workstation does.
    each(|cost| cost.cpu_us, "us of PID 1's processor time");
    each(|cost| cost.up_ms, "ms until all are up");
    let memory = each(|cost| cost.memory_kib, "KiB of PID 1's memory");
    assert!(
        memory <= LIMIT,
        "memory of PID 1 grows faster than services: {memory}"
    );
}
