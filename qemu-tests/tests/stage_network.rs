//! Stage `network`: never holds up the boot.

use orlop_qemu_tests::{MachineBuilder, curl};
use serde_json::json;

/// A network device on a hub whose other end drops everything: the link is up and nobody answers.
/// The other end is a must: a hub alone keeps the first packet, and with it the card, for ever.
const SILENT: [&str; 9] = [
    "--no-network",
    "--qemu-arg=-netdev",
    "--qemu-arg=hubport,id=net0,hubid=0",
    "--qemu-arg=-netdev",
    "--qemu-arg=socket,id=sink,udp=127.0.0.1:9,localaddr=127.0.0.1:0",
    "--qemu-arg=-netdev",
    "--qemu-arg=hubport,id=hub-sink,hubid=0,netdev=sink",
    "--qemu-arg=-device",
    "--qemu-arg=virtio-net-pci,netdev=net0,romfile=",
];

#[test]
fn without_a_dhcp_server_the_boot_completes_and_the_address_comes_with_the_server() {
    let machine = MachineBuilder::with(&["dhcp", "log", "gateway"]).unwrap();
    let vm = machine.arguments(&SILENT).boot().unwrap();
    vm.wait_boot().unwrap();
    assert!(vm.events().iter().all(|e| e["event"] != "network"));

    vm.qmp("netdev_add", &json!({"type": "user", "id": "late"}))
        .unwrap();
    let port = json!({"type": "hubport", "id": "hub-late", "hubid": 0, "netdev": "late"});
    vm.qmp("netdev_add", &port).unwrap();
    let event = vm.wait_event("an address", |e| e["event"] == "network");
    assert_eq!(event.unwrap()["address"], "10.0.2.15/24");
}

#[test]
fn without_any_network_device_the_boot_completes() {
    let machine = MachineBuilder::with(&["dhcp", "log", "gateway"]).unwrap();
    let vm = machine.argument("--no-network").boot().unwrap();
    vm.wait_boot().unwrap();
    vm.wait_service("log", "up").unwrap();
}

#[test]
fn a_static_address_needs_no_dhcp_service() {
    let system = "[network.links.eth0]\naddresses = [\"10.0.2.15/24\"]\ngateway = \"10.0.2.2\"\n";
    let machine = MachineBuilder::with(&["nginx"]).unwrap();
    let vm = machine.file("system.toml", system).boot().unwrap();
    let event = vm.wait_address_after(0).unwrap();
    assert_eq!(event["address"], "10.0.2.15/24");
    vm.wait_service("nginx", "up").unwrap();
    curl(vm.forward(8080).unwrap(), "/").unwrap();
}
