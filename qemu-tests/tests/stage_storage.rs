//! Stage `storage`: the system from the initramfs, and no system at all.

use orlop_qemu_tests::MachineBuilder;

const SMALL: [&str; 1] = ["nginx"];

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
    let event = vm.wait_event("emergency", |e| e["event"] == "emergency");
    let reason = event.unwrap()["reason"].as_str().unwrap().to_owned();
    let transcript = vm.transcript().unwrap();
    assert!(transcript.contains(&reason), "{reason}\n{transcript}");
    let mut console = vm.console().unwrap();
    console.type_line("echo alive-$((6 * 7))").unwrap();
    console.expect("alive-42").unwrap();
}
