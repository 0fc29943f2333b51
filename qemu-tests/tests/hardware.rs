//! Devices that the build did not foresee, the watchdog, the console on a virtio port.

use anyhow::Result;
use orlop_qemu_tests::{MachineBuilder, Vm, Witness};
use serde_json::json;

/// Another network card than the one that `orlop run` gives, and slots for what comes later.
const COLD: [&str; 8] = [
    "--qemu-arg=-netdev",
    "--qemu-arg=user,id=cold",
    "--qemu-arg=-device",
    "--qemu-arg=vmxnet3,netdev=cold,romfile=",
    "--qemu-arg=-device",
    "--qemu-arg=virtio-balloon-pci",
    "--qemu-arg=-device",
    "--qemu-arg=pcie-root-port,id=slot1,chassis=1",
];
const SLOT: [&str; 2] = [
    "--qemu-arg=-device",
    "--qemu-arg=pcie-root-port,id=slot2,chassis=2",
];

const SYSTEM: &str = "[kernel]\nmodules = [\"softdog\"]\nblacklist = [\"virtio-balloon\"]\n\
     [watchdog]\ntimeout = \"10s\"\n[volumes.logs]\n";

/// Reads a disk that comes while the machine runs.
const READER: &str =
    "busybox dd if=/dev/sda bs=8 count=1 2>/dev/null; echo; exec busybox sleep 1000000";
const NEEDS_DISK: &str = "needs = [\"device:/dev/sda\"]\ndevices = [\"/dev/sda:/dev/sda:r\"]\n";

/// Does not stop when it is asked to.
const STUBBORN: &str = "trap '' TERM; while :; do busybox sleep 1; done";

fn has_address(vm: &Vm, link: &str) -> Result<()> {
    vm.wait_event(&format!("an address of {link}"), |event| {
        event["event"] == "network" && event["link"] == link
    })?;
    Ok(())
}

fn driver(witness: &mut Witness, link: &str) -> Result<String> {
    let driver = witness.run(&format!("readlink /sys/class/net/{link}/device/driver"))?;
    Ok(driver
        .trim()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// PID 1 stands still, for good.
fn freeze(witness: &mut Witness) -> Result<()> {
    witness.run(
        "mkdir /cgroup/cold; echo 1 >/cgroup/cold/cgroup.procs; echo 1 >/cgroup/cold/cgroup.freeze",
    )?;
    Ok(())
}

/// With PID 1 standing still the machine is reset.
fn bites(vm: &Vm, witness: &mut Witness) -> Result<()> {
    freeze(witness)?;
    vm.transcript_until("softdog: Initiating system reboot")?;
    Ok(())
}

#[test]
fn devices_come_before_and_after_the_boot_and_the_watchdog_is_fed_and_bites() {
    let machine = MachineBuilder::with(&["dhcp", "gateway", "log"]).unwrap();
    let disk = machine.path("hot.img");
    let machine = machine
        .file("system.toml", SYSTEM)
        .file("hot.img", &format!("{:4096}", "hot disk"))
        .shell_service("reader", READER, NEEDS_DISK)
        .arguments(&COLD)
        .arguments(&SLOT)
        .witness();
    let vm = machine.boot().unwrap();

    // Coldplug: what was there from the start, and no batch names its driver.
    has_address(&vm, "eth1").unwrap();
    let mut witness = vm.witness().unwrap();
    assert_eq!(driver(&mut witness, "eth1").unwrap(), "vmxnet3");
    witness.run("test ! -e /sys/module/virtio_balloon").unwrap();

    // Hot-plug: the same card again, and a disk on an adapter; one driver leads to the next.
    vm.qmp("netdev_add", &json!({"type": "user", "id": "hot"}))
        .unwrap();
    let card = json!({"driver": "vmxnet3", "netdev": "hot", "bus": "slot1"});
    vm.qmp("device_add", &card).unwrap();
    has_address(&vm, "eth2").unwrap();
    assert_eq!(vm.status("reader").unwrap()["pid"], json!(null));
    let file = json!({"driver": "file", "filename": disk, "node-name": "hot"});
    vm.qmp("blockdev-add", &file).unwrap();
    let adapter = json!({"driver": "virtio-scsi-pci", "id": "adapter", "bus": "slot2"});
    vm.qmp("device_add", &adapter).unwrap();
    let disk = json!({"driver": "scsi-hd", "drive": "hot", "bus": "adapter.0"});
    vm.qmp("device_add", &disk).unwrap();
    vm.wait_service("reader", "up").unwrap();
    vm.log_until("reader", "hot disk").unwrap();

    // Fed for longer than it waits; then PID 1 stands still.
    let dog = "/sys/class/watchdog/watchdog0";
    let armed = witness
        .run(&format!("cat {dog}/state {dog}/timeout"))
        .unwrap();
    assert_eq!(armed, "active\n10\n");
    witness
        .run("read -r now _ </proc/uptime; end=$((${now%.*} + 21)); while [ ${now%.*} -lt $end ]; do sleep 1; read -r now _ </proc/uptime; done")
        .unwrap();
    bites(&vm, &mut witness).unwrap();
}

#[test]
fn the_watchdog_bites_while_the_machine_ends() {
    let machine = MachineBuilder::with(&["gateway", "log"]).unwrap();
    let machine = machine
        .file("system.toml", SYSTEM)
        .shell_service("stubborn", STUBBORN, "stop_grace_period = \"1000s\"")
        .witness();
    let vm = machine.boot().unwrap();
    vm.wait_boot().unwrap();
    let mut witness = vm.witness().unwrap();
    vm.orlop(&["poweroff"]).unwrap();
    vm.wait_event("the shutdown's begin", |event| event["event"] == "shutdown")
        .unwrap();
    bites(&vm, &mut witness).unwrap();
}

#[test]
fn the_console_may_be_a_virtio_port_and_a_watchdog_may_be_missing() {
    let system = "[kernel]\ncmdline = \"console=hvc0\"\n[watchdog]\ntimeout = \"30s\"\n\
         [volumes.logs]\n";
    let machine = MachineBuilder::with(&["console", "gateway", "log"]).unwrap();
    let mut vm = machine.file("system.toml", system).boot().unwrap();
    let mut console = vm.console().unwrap();
    vm.wait_boot().unwrap();
    // What was said before the port was there has followed.
    let said = vm
        .transcript_until("this machine has no /dev/watchdog")
        .unwrap();
    for line in ["early_mounts", "kernel_modules", "services up"] {
        assert!(said.contains(line), "{line} in {said}");
    }
    console.type_line("").unwrap();
    console
        .type_line("cat /sys/class/tty/console/active; echo end-$((6 * 7))")
        .unwrap();
    let active = console.expect("end-42").unwrap();
    assert!(active.contains("hvc0\r\n"), "{active}");
    assert!(!active.contains("ttyS0"), "{active}");
    vm.qmp("system_powerdown", &json!({})).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
    vm.transcript_until("Powering off").unwrap();
}
