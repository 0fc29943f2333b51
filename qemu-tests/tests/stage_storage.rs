//! Stage `storage`: the system from the initramfs, and no system at all; the state disk by label and
//! UUID.

use std::fs::File;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use orlop_qemu_tests::{MachineBuilder, Vm};
use serde_json::{Value, json};

const SMALL: [&str; 1] = ["nginx"];
const UUID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

/// A machine with one more disk, an ext4 labelled `data`, that says where it keeps state.
fn with_disk(state: &str) -> Result<MachineBuilder> {
    let keeps = "echo kept >/data/word; sync; echo told; exec /bin/busybox sleep 1000000";
    let system = format!("[storage]\nstate = \"{state}\"\n[volumes.data]\n[volumes.logs]\n");
    let machine = MachineBuilder::with(&["log", "gateway"])?
        .file("system.toml", &system)
        .shell_service("keeps", keeps, "volumes = [\"data:/data\"]\n");
    let disk = machine.path("data.img");
    File::create(&disk)?.set_len(16 << 20)?;
    let made = Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-L", "data", "-U", UUID])
        .arg(&disk)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .status()
        .context("mke2fs")?;
    ensure!(made.success(), "mke2fs: {made}");
    let drive = format!(
        "--qemu-arg=file={},if=none,id=data,format=raw",
        disk.display()
    );
    Ok(machine.arguments(&[
        "--qemu-arg=-drive",
        &drive,
        "--qemu-arg=-device",
        "--qemu-arg=virtio-blk-pci,drive=data",
    ]))
}

/// How the stage ended.
fn degraded(vm: &Vm) -> Result<Value> {
    let storage = |event: &Value| event.get("stage") == Some(&json!("storage"));
    let event = vm.wait_event("the stage storage", storage)?;
    event.get("degraded").cloned().context("degraded")
}

/// Ends the machine, and reads its volume on the disk.
fn kept(mut vm: Vm) -> Result<String> {
    vm.log_until("keeps", "told")?;
    vm.orlop(&["poweroff"])?;
    vm.wait_exit()?;
    let read = Command::new("debugfs")
        .args(["-R", "cat volumes/data/word"])
        .arg(vm.machine().path("data.img"))
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .context("debugfs")?;
    Ok(String::from_utf8_lossy(&read.stdout).into_owned())
}

#[test]
fn a_state_disk_is_found_by_its_label_beside_the_one_of_orlop_run() {
    let vm = with_disk("LABEL=data").unwrap().boot().unwrap();
    assert_eq!(degraded(&vm).unwrap(), Value::Null);
    assert_eq!(kept(vm).unwrap(), "kept\n");
}

#[test]
fn a_state_disk_is_found_by_its_uuid() {
    let machine = with_disk(&format!("/dev/disk/by-uuid/{UUID}")).unwrap();
    let vm = machine.argument("--no-state").boot().unwrap();
    assert_eq!(degraded(&vm).unwrap(), Value::Null);
    assert_eq!(kept(vm).unwrap(), "kept\n");
}

#[test]
fn without_the_disk_that_is_named_the_machine_boots_and_says_what_will_be_lost() {
    let vm = with_disk("LABEL=date").unwrap().boot().unwrap();
    let said = degraded(&vm).unwrap().to_string();
    let sentence = "the state disk LABEL=date of system.toml did not come within 10 s (block devices: vda, vdb, vdc): \
                    volumes and logs are lost at power-off";
    assert!(said.contains(sentence), "{said}");
    vm.log_until("keeps", "told").unwrap();
}

#[test]
fn a_system_inside_the_initramfs_boots_without_disks() {
    let machine = MachineBuilder::with(&SMALL).unwrap();
    let machine = machine.arguments(&["--initramfs-system", "--no-state"]);
    let vm = machine.boot().unwrap();
    vm.wait_boot().unwrap();
    vm.wait_service("nginx", "up").unwrap();
}

#[test]
fn a_system_that_cannot_be_mounted_ends_on_the_emergency_console() {
    let machine = MachineBuilder::with(&SMALL).unwrap();
    machine.tool("build", &[]).unwrap().success().unwrap();
    std::fs::write(machine.path("build/system.erofs"), [0; 1 << 16]).unwrap();
    let vm = machine.argument("--no-build").start().unwrap();
    // The events' port is not there yet: only the console can tell.
    let mut console = vm.console().unwrap();
    console.expect("EMERGENCY").unwrap();
    let reason = console.expect("services that run").unwrap();
    assert!(
        reason.contains("stage storage: mounting the system"),
        "{reason}"
    );
    console.type_line("echo alive-$((6 * 7))").unwrap();
    console.expect("alive-42").unwrap();
}
