//! Every format of `orlop build` boots, by both kinds of firmware and from each kind of disk, to the
//! same `orlop ps`.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use anyhow::{Context as _, Result, ensure};
use orlop_qemu_tests::{MachineBuilder, Vm};
use serde_json::{Value, json};

/// Each format, each firmware and each kind of disk at least once, not all with all.
const CLOUD: [Boot; 4] = [
    boot("raw", "uefi", "virtio"),
    boot("qcow2", "bios", "nvme"),
    boot("vmdk", "bios", "virtio"),
    boot("vhd", "uefi", "nvme"),
];
/// With the kernel that knows all of Debian's hardware.
const FULL: [Boot; 2] = [boot("raw", "bios", "ahci"), boot("qcow2", "uefi", "scsi")];

/// How an image is booted.
#[derive(Debug)]
struct Boot {
    format: &'static str,
    firmware: &'static str,
    disk: &'static str,
}

const fn boot(format: &'static str, firmware: &'static str, disk: &'static str) -> Boot {
    Boot {
        format,
        firmware,
        disk,
    }
}

const SYSTEM: &str =
    "[volumes.logs]\n[volumes.redis-data]\n[sysctls]\n\"vm.overcommit_memory\" = 1\n";

fn machine(kernel: &str) -> Result<MachineBuilder> {
    let kernel = format!("\n[kernel]\ndebian = \"{kernel}\"\n");
    let machine = MachineBuilder::with(&["dhcp", "gateway", "log", "nginx", "redis"])?;
    Ok(machine.file("system.toml", &format!("{kernel}{SYSTEM}")))
}

/// What of a service's state no two boots have in common.
const ITS_OWN: [&str; 4] = ["since_ms", "pid", "address", "health"];

/// What `orlop ps` says once the boot is over.
fn ps(vm: &Vm) -> Result<Value> {
    let boot = vm.wait_boot()?;
    ensure!(
        boot["up"] == boot["services"],
        "not all services came up: {boot}"
    );
    for event in vm.events() {
        ensure!(!event["degraded"].is_string(), "a stage says {event}");
    }
    let mut said: Value = serde_json::from_str(&vm.orlop(&["ps", "--json"])?)?;
    for service in said["services"].as_array_mut().context("ps has no list")? {
        let service = service.as_object_mut().context("a service is no object")?;
        service.retain(|key, _| !ITS_OWN.contains(&key.as_str()));
    }
    Ok(said)
}

/// Builds the image and boots it.
fn boot_image(machine: MachineBuilder, boot: &Boot) -> Result<(MachineBuilder, Vm)> {
    let machine = machine.image(boot.format);
    machine.build()?;
    let how = ["--firmware", boot.firmware, "--disk", boot.disk];
    let vm = machine.twin().arguments(&how).start()?;
    Ok((machine, vm))
}

#[test]
fn every_format_boots_by_every_firmware_to_the_same_ps() {
    let mut machine = machine("linux-image-cloud-amd64").unwrap();
    machine.build().unwrap();
    let by_kernel = ps(&machine.twin().start().unwrap()).unwrap();
    assert_eq!(by_kernel["notices"], json!([]), "{by_kernel}");
    for boot in &CLOUD {
        let vm;
        (machine, vm) = boot_image(machine, boot).unwrap();
        assert_eq!(ps(&vm).unwrap(), by_kernel, "{boot:?}");
    }
}

#[test]
fn with_debians_full_kernel_also_from_sata_and_scsi() {
    let mut machine = machine("linux-image-amd64").unwrap();
    let mut first = None;
    for boot in &FULL {
        let vm;
        (machine, vm) = boot_image(machine, boot).unwrap();
        let said = ps(&vm).unwrap();
        assert_eq!(said["services"].as_array().unwrap().len(), 5, "{said}");
        assert_eq!(said["notices"], json!([]));
        assert_eq!(first.get_or_insert(said.clone()), &said, "{boot:?}");
    }
}
