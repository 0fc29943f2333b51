//! Power off, reboot and halt: how each is asked for, how each ends, and what is kept.

use orlop_qemu_tests::{MachineBuilder, Vm, redis, rounds};
use serde_json::json;

fn boot(services: &[&str]) -> anyhow::Result<Vm> {
    let vm = MachineBuilder::with(services)?.boot()?;
    vm.wait_boot()?;
    Ok(vm)
}

fn is_shutdown(vm: &Vm, kind: &str) -> anyhow::Result<()> {
    let wanted = json!({"event": "shutdown", "kind": kind});
    vm.wait_event(&format!("the shutdown's begin, {kind}"), |event| {
        event.get("event") == wanted.get("event") && event.get("kind") == wanted.get("kind")
    })?;
    Ok(())
}

#[test]
fn state_is_kept_over_reboot_and_power_off() {
    let mut vm = boot(&["dhcp", "gateway", "log", "redis"]).unwrap();
    let ask = |vm: &Vm, words: &[&str]| redis(vm.forward(6379).unwrap(), words).unwrap();
    vm.wait_service("redis", "up").unwrap();
    vm.wait_address_after(0).unwrap();
    assert_eq!(ask(&vm, &["set", "kept", "yes"]), "OK");

    for _ in 0..rounds() {
        let mark = vm.mark();
        vm.orlop(&["reboot"]).unwrap();
        is_shutdown(&vm, "reboot").unwrap();
        vm.wait_event_after(mark, "the next boot", |e| e["event"] == "boot-complete")
            .unwrap();
        vm.wait_address_after(mark).unwrap();
        assert_eq!(ask(&vm, &["get", "kept"]), "yes");
    }

    vm.orlop(&["poweroff"]).unwrap();
    vm.run_again().unwrap();
    vm.wait_boot().unwrap();
    vm.wait_address_after(0).unwrap();
    assert_eq!(ask(&vm, &["get", "kept"]), "yes");
}

#[test]
fn the_power_button_powers_off() {
    let mut vm = boot(&["nginx"]).unwrap();
    vm.qmp("system_powerdown", &json!({})).unwrap();
    is_shutdown(&vm, "poweroff").unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
}

#[test]
fn ctrl_alt_del_reboots() {
    let vm = boot(&["log"]).unwrap();
    let mark = vm.mark();
    let key = |code: &str| json!({"type": "qcode", "data": code});
    let keys = json!({"keys": [key("ctrl"), key("alt"), key("delete")]});
    vm.qmp("send-key", &keys).unwrap();
    is_shutdown(&vm, "reboot").unwrap();
    vm.wait_event_after(mark, "the second boot", |e| e["event"] == "boot-complete")
        .unwrap();
}

#[test]
fn a_stop_that_comes_before_the_handlers_is_heard_all_the_same() {
    // The handler is installed after a while, during which the kernel drops the signal.
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; trap 'exit 0' TERM; busybox sleep 1000000 & wait";
    let machine = MachineBuilder::with(&["gateway", "log"]).unwrap();
    let slow = machine.shell_service("slow", script, "stop_grace_period = \"100s\"");
    let mut vm = slow.boot().unwrap();
    vm.wait_service("slow", "up").unwrap();
    vm.wait_service("gateway", "up").unwrap();
    vm.orlop(&["poweroff"]).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
    let events = vm.events();
    let down = events
        .iter()
        .find(|e| e["service"] == "slow" && e["state"] == "down");
    let cause = down.unwrap()["cause"].as_str().unwrap();
    assert!(!cause.contains("kill"), "{cause}");
}

#[test]
fn a_service_may_end_the_machine_and_the_console_says_who_is_waited_for() {
    let stubborn = "trap '' TERM; echo here; while :; do busybox sleep 1; done";
    // Fails once the other one runs, for good.
    let fails = "exit 3";
    let machine = MachineBuilder::with(&["gateway", "log"])
        .unwrap()
        .shell_service("stubborn", stubborn, "stop_grace_period = \"7s\"")
        .shell_service(
            "vital",
            fails,
            "restart = \"no\"\non_failure = [\"poweroff\"]\ndepends_on = [\"stubborn\"]",
        );
    let mut vm = machine.boot().unwrap();
    is_shutdown(&vm, "poweroff").unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
    let console = vm.transcript_until("Powering off").unwrap();
    for said in [
        "vital failed: poweroff",
        "Waiting for stubborn (2 s of 7 s) to stop",
        "Waiting for stubborn (4 s of 7 s) to stop",
    ] {
        assert!(console.contains(said), "{said} in {console}");
    }
}

#[test]
fn sigterm_for_orlop_run_powers_off() {
    let mut vm = boot(&["nginx"]).unwrap();
    vm.terminate().unwrap();
    is_shutdown(&vm, "poweroff").unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
}

#[test]
fn halt_stops_with_a_line_on_the_console() {
    let vm = boot(&["gateway", "log"]).unwrap();
    let mut console = vm.console().unwrap();
    vm.orlop(&["halt"]).unwrap();
    is_shutdown(&vm, "halt").unwrap();
    console.expect("System halted").unwrap();
}

#[test]
fn services_stop_in_reverse_order_of_their_dependencies() {
    let script = "trap 'exit 0' TERM; busybox sleep 1000000 & wait";
    let machine = MachineBuilder::with(&["gateway", "log"])
        .unwrap()
        .shell_service("base", script, "")
        .shell_service("top", script, "depends_on = [\"base\"]");
    let mut vm = machine.boot().unwrap();
    vm.wait_boot().unwrap();
    let mark = vm.mark();
    vm.orlop(&["poweroff"]).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
    let events = vm.events().split_off(mark);
    let down = |name: &str| {
        events
            .iter()
            .position(|e| e["service"] == name && e["state"] == "down")
    };
    assert!(down("top").unwrap() < down("base").unwrap(), "{events:?}");
}
