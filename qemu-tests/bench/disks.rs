//! Machines as disks: how large the smallest is, and how long they take from the start of the firmware
//! until the services are ready, beside the same machine whose kernel QEMU loads itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use orlop_qemu_tests::{MachineBuilder, Vm};
use serde_json::Value;

use crate::figures::Spread;
use crate::report::{mebibytes, spread};

/// The section of `docs/benchmarks.md`, as it is called there.
pub(crate) const HEADING: &str = "## Disks";
/// Boots of each kind, when `ROUNDS` does not say otherwise.
pub(crate) const ROUNDS: usize = 3;

/// How a machine is started: format, firmware, disk. The first one is what the others are compared
/// with.
const BOOTS: [[&str; 3]; 8] = [
    ["kernel+initramfs", "", "virtio"],
    ["raw", "bios", "virtio"],
    ["raw", "uefi", "virtio"],
    ["raw", "bios", "nvme"],
    ["raw", "uefi", "nvme"],
    ["qcow2", "bios", "virtio"],
    ["vmdk", "bios", "virtio"],
    ["vhd", "bios", "virtio"],
];

/// One boot.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// From QEMU's start until every service is up, by the workstation's clock.
    ready_ms: f64,
    /// Of that, what passed before the machine's own clock began: firmware and loader, mostly.
    before_ms: f64,
    /// What the machine has in use then.
    memory_mib: f64,
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Disks {
    samples: BTreeMap<usize, Vec<Sample>>,
    /// `build/disk.json` of the smallest machine.
    smallest: Value,
    /// Bytes of its files by name.
    files: Vec<(String, u64)>,
}

/// Boots them all, in another order each round; `say` hears of each.
pub(crate) fn run(rounds: usize, say: fn(&str) -> Result<()>) -> Result<Disks> {
    let (smallest, files) = smallest()?;
    let looks = "exec busybox sleep 1000000";
    let mut machine = MachineBuilder::with(&["gateway", "log"])?
        .file(
            "system.toml",
            "\n[kernel]\n[network]\ndhcp = false\n[volumes.logs]\n",
        )
        .shell_service("look", looks, "network_mode = \"none\"\n");
    machine.build()?;
    let kernel = machine.twin();
    for format in ["raw", "qcow2", "vmdk", "vhd"] {
        machine = machine.image(format);
        machine.build()?;
    }
    let mut samples: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
    for round in 0..rounds {
        for turn in 0..BOOTS.len() {
            let number = (turn + round) % BOOTS.len();
            let boot = BOOTS.get(number).context("a boot")?;
            let sample = one(&kernel, boot).with_context(|| boot.join(" "))?;
            say(&format!(
                "disks, round {} of {rounds}: {:32} {:7.0} ms",
                round + 1,
                title(boot),
                sample.ready_ms
            ))?;
            samples.entry(number).or_default().push(sample);
        }
    }
    Ok(Disks {
        samples,
        smallest,
        files,
    })
}

/// One boot, from a new state disk, or of an image that stays as it is.
fn one(kernel: &MachineBuilder, boot: &[&str; 3]) -> Result<Sample> {
    let [format, firmware, disk] = *boot;
    let image = kernel.path(format!("build/disk.{format}"));
    let machine = match firmware {
        "" => kernel.twin().argument("--fresh"),
        firmware => MachineBuilder::of_image(&image)?.arguments(&[
            "--fresh",
            "--firmware",
            firmware,
            "--disk",
            disk,
        ]),
    };
    let vm = machine.start()?;
    let began = Instant::now();
    let booted = vm.wait_boot()?;
    let ready_ms = began.elapsed().as_secs_f64() * 1000.0;
    ensure!(
        booted.get("up") == booted.get("services"),
        "not all are up: {booted}"
    );
    let uptime = booted.get("uptime_ms").and_then(Value::as_f64);
    Ok(Sample {
        ready_ms,
        before_ms: ready_ms - uptime.context("no uptime")?,
        memory_mib: memory(&vm)?,
    })
}

/// What the kernel would not give to a program that asks now, MiB.
fn memory(vm: &Vm) -> Result<f64> {
    let said = vm.orlop(&["exec", "look", "--", "busybox", "cat", "/proc/meminfo"])?;
    let kib = |name: &str| -> Result<f64> {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        let words = line.and_then(|line| line.split_ascii_whitespace().next());
        Ok(words.with_context(|| format!("no {name}"))?.parse()?)
    };
    Ok((kib("MemTotal:")? - kib("MemAvailable:")?) / 1024.0)
}

/// The disk of a machine with one service of one static program, and nothing else.
fn smallest() -> Result<(Value, Vec<(String, u64)>)> {
    let only = "exec busybox sleep 1000000";
    let machine = MachineBuilder::with(&[])?
        .file("system.toml", "[network]\ndhcp = false\n")
        .shell_service("only", only, "network_mode = \"none\"\n");
    let mut files = Vec::new();
    for words in [
        &["raw"][..],
        &["raw", "--compress"],
        &["qcow2", "--compress"],
    ] {
        let words = [&["--format"], words].concat();
        machine
            .tool("build", &words)?
            .success()
            .with_context(|| words.join(" "))?;
    }
    for name in ["disk.raw", "disk.raw.zst", "disk.qcow2"] {
        let length = fs::metadata(machine.path("build").join(name));
        files.push((
            name.to_owned(),
            length.with_context(|| name.to_owned())?.len(),
        ));
    }
    let report = fs::read_to_string(machine.path("build/disk.json")).context("read disk.json")?;
    Ok((
        serde_json::from_str(&report).context("read disk.json")?,
        files,
    ))
}

fn title(boot: &[&str; 3]) -> String {
    let [format, firmware, disk] = boot;
    let firmware = match *firmware {
        "bios" => "SeaBIOS",
        "uefi" => "OVMF",
        _ => return "kernel and initramfs, by QEMU".to_owned(),
    };
    format!("{format}, {firmware}, {disk}")
}

/// Both tables.
pub(crate) fn tables(disks: &Disks) -> Result<String> {
    let mut table = String::from(
        "| started from | services ready, ms | ÷ kernel and initramfs | before the kernel, ms | memory in use, MiB |\n\
         |---|---|---|---|---|\n",
    );
    for (number, boot) in BOOTS.iter().enumerate() {
        let of = |figure: fn(&Sample) -> f64| Spread::of(disks.all(number).map(figure));
        let ratios = disks.all(number).zip(disks.all(0));
        let ratios = Spread::of(ratios.map(|(own, kernel)| own.ready_ms / kernel.ready_ms));
        writeln!(
            table,
            "| {} | {} | {} | {} | {} |",
            title(boot),
            spread(of(|sample| sample.ready_ms), 0),
            spread(ratios.filter(|_| number > 0), 2),
            spread(of(|sample| sample.before_ms), 0),
            spread(of(|sample| sample.memory_mib), 1),
        )?;
    }
    table.push_str("\nThe smallest: one service of one static program, no network, no log.\n\n");
    table.push_str("| part of the disk | MiB | share |\n|---|---|---|\n");
    for part in disks
        .smallest
        .get("parts")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |key: &str| part.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| part.get(key).and_then(Value::as_f64).unwrap_or_default();
        let bytes = part
            .get("bytes")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        writeln!(
            table,
            "| {} | {:.2} | {:.1} % |",
            text("part"),
            mebibytes(bytes),
            number("share")
        )?;
    }
    table.push_str("\n| its file | MiB |\n|---|---|\n");
    for (name, bytes) in &disks.files {
        writeln!(table, "| `{name}` | {:.2} |", mebibytes(*bytes))?;
    }
    Ok(table)
}

impl Disks {
    /// A kind's boots, in the order of the rounds.
    fn all(&self, number: usize) -> impl Iterator<Item = &Sample> {
        self.samples.get(&number).into_iter().flatten()
    }
}
