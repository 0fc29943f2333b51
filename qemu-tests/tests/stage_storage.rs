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
