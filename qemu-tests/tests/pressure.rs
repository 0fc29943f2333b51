//! PID 1 when the machine has nothing left to give: it answers, and loses no transition.
//!
//! One boot for all of it, one test for each kind of want. In each a service is killed while the want
//! lasts; how it ended and what came of that must be right, then or once the want is over.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use orlop_qemu_tests::{Held, MachineBuilder, Shared, Vm, Witness};
use serde_json::Value;

static VM: LazyLock<Shared> = LazyLock::new(|| Shared::new(boot()));

const STEADY: &str = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";
/// A link that only a test makes, and that PID 1 then gives its address.
const SYSTEM: &str = "[network.links.late0]\naddresses = [\"10.9.9.1/24\"]\n[volumes.logs]\n";

fn boot() -> Result<Vm> {
    let glutton = "exec busybox tail /dev/zero";
    let machine = MachineBuilder::with(&["dhcp", "gateway", "log"])?
        .file("system.toml", SYSTEM)
        .main_service("victim", STEADY, "network_mode = \"none\"")
        .main_service("bridged", STEADY, "")
        .shell_service(
            "glutton",
            glutton,
            "mem_limit = \"24m\"\nrestart = \"no\"\nnetwork_mode = \"none\"",
        )
        .service(
            "tools",
            "command = [\"/usr/bin/sleep\", \"1000000\"]\nnetwork_mode = \"none\"\n\
             build = { debian = [\"util-linux\", \"coreutils\"] }\n",
        );
    let vm = machine.witness().boot()?;
    vm.wait_boot()?;
    // The trace is not looked at here, and its price is a process that copies it.
    vm.witness()?.run("echo 0 >/tracing/tracing_on")?;
    Ok(vm)
}

fn number(event: &Value, key: &str) -> u64 {
    event.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// Kills the main process by the kernel's own list, in words of the witness's shell.
fn kill(service: &str) -> String {
    format!("read -r victim </cgroup/services/{service}/cgroup.procs; kill -9 $victim")
}

/// A service that is up.
struct Before {
    service: &'static str,
    /// Its main process.
    pid: u64,
    /// How many events there were.
    mark: usize,
}

fn up(vm: &Vm, service: &'static str) -> Result<Before> {
    let mark = vm.mark();
    let pid = number(&vm.wait_service(service, "up")?, "pid");
    Ok(Before { service, pid, mark })
}

/// Waits until the service is up by another process than before, and `orlop ps` says so. What a test
/// itself kills under way may have been up for a moment: the next one counts then.
fn is_back(vm: &Vm, before: &Before) -> Result<()> {
    let service = before.service;
    let mut gone = vec![before.pid];
    loop {
        let event = vm.wait_event_after(before.mark, &format!("{service} back"), |event| {
            let same = event["service"] == service && event["state"] == "up";
            same && !gone.contains(&number(event, "pid"))
        })?;
        let list = vm.services()?;
        let found = list.iter().find(|info| info["name"] == service);
        let pid = number(&event, "pid");
        if pid == number(found.context("it is not listed")?, "pid") {
            return Ok(());
        }
        gone.push(pid);
    }
}

/// A machine with everything up, and the line into it.
fn ready<'a>() -> Result<(Held<'a>, Witness)> {
    let vm = VM.hold().map_err(anyhow::Error::msg)?;
    for service in ["gateway", "log", "tools"] {
        vm.wait_service(service, "up")?;
    }
    // By request: what another test did to them is forgotten, and their first back-off short.
    for service in ["victim", "bridged"] {
        let mark = vm.mark();
        vm.orlop(&["restart", service])?;
        vm.wait_service_after(mark, service, "up")?;
    }
    let witness = vm.witness()?;
    Ok((vm, witness))
}

/// Sets PID 1's limit so that it can open `$room` descriptors more, and not one further.
const ROOM: &str = "at=0; while [ $room -gt 0 ] || [ -e /proc/1/fd/$at ]; do \
     [ -e /proc/1/fd/$at ] || room=$((room - 1)); at=$((at + 1)); done; \
     of tools /usr/bin/prlimit --pid 1 --nofile=$at:65536";

#[test]
fn no_descriptor_left() {
    let (vm, mut witness) = ready().unwrap();
    let before = up(&vm, "victim").unwrap();
    let mark = vm.mark();
    // Enough for a connection, not for a launch.
    let line = format!("room=1; {ROOM}; {}", kill("victim"));
    witness.run(&line).unwrap();
    vm.wait_event_after(mark, "a launch without descriptors", |event| {
        let cause = event["cause"].as_str().unwrap_or_default();
        let said = ["EMFILE", "Too many open files"].map(|text| cause.contains(text));
        event["service"] == "victim" && said.contains(&true)
    })
    .unwrap();
    vm.orlop(&["ps"]).unwrap();
    // Not even a connection: nobody is answered, and nobody spins.
    let spent = "awk '{print $14 + $15}' /proc/1/stat";
    let line = format!("room=0; {ROOM}; {spent}; sleep 3; {spent}");
    let client = std::thread::scope(|scope| {
        let waits = scope.spawn(|| vm.orlop_outcome(&["ps"]));
        let ticks = witness.run(&line).unwrap();
        let ticks: Vec<u64> = ticks.lines().map(|line| line.parse().unwrap()).collect();
        // A tick is 10 ms: of 300 a loop that spins takes nearly all.
        assert!(ticks[1] - ticks[0] < 100, "{ticks:?}");
        witness
            .run("of tools /usr/bin/prlimit --pid 1 --nofile=65536:65536")
            .unwrap();
        waits.join().unwrap()
    });
    // Whoever came in vain is told or served, and does not wait for ever.
    client.unwrap();
    is_back(&vm, &before).unwrap();
}

#[test]
fn run_is_full() {
    let (vm, mut witness) = ready().unwrap();
    let before = ["victim", "bridged"].map(|name| up(&vm, name).unwrap());
    let fill = "dd if=/dev/zero of=/proc/1/root/run/filler bs=64k 2>&1; true";
    let full = witness.run(fill).unwrap();
    assert!(full.contains("No space left"), "{full}");
    witness.run(&kill("victim")).unwrap();
    witness.run(&kill("bridged")).unwrap();
    is_back(&vm, &before[0]).unwrap();
    is_back(&vm, &before[1]).unwrap();
    // A service with a socket of its own below /run comes back when there is room again.
    let before = up(&vm, "gateway").unwrap();
    witness.run(&kill("gateway")).unwrap();
    witness.run("rm /proc/1/root/run/filler").unwrap();
    is_back(&vm, &before).unwrap();
}

#[test]
fn no_process_left() {
    let (vm, mut witness) = ready().unwrap();
    let before = up(&vm, "victim").unwrap();
    let mark = vm.mark();
    // Nothing here forks: it could not be undone.
    let line = format!(
        "mkfifo /tmp/never; exec 9<>/tmp/never; most=$(cat /proc/sys/kernel/threads-max); \
         echo 20 >/proc/sys/kernel/threads-max; {}; read -r -t 4 _ <&9; \
         echo $most >/proc/sys/kernel/threads-max",
        kill("victim")
    );
    witness.tell(&line).unwrap();
    vm.wait_event_after(mark, "a launch without a process", |event| {
        let cause = event["cause"].as_str().unwrap_or_default();
        event["service"] == "victim" && cause.contains("EAGAIN")
    })
    .unwrap();
    vm.orlop(&["ps"]).unwrap();
    witness.hear(&line).unwrap();
    is_back(&vm, &before).unwrap();
}

#[test]
fn edge_36_what_netlink_lost_is_asked_for_again() {
    let (vm, mut witness) = ready().unwrap();
    let before = up(&vm, "bridged").unwrap();
    let mark = vm.mark();
    // PID 1 cannot be stopped, but frozen: the kernel fills its socket and then drops (ENOBUFS).
    witness
        .run("mkdir /cgroup/cold; echo 1 >/cgroup/cold/cgroup.procs; echo 1 >/cgroup/cold/cgroup.freeze")
        .unwrap();
    let links =
        "i=0; while [ $i -lt 300 ]; do ip link add flood$i type veth || exit; i=$((i + 1)); done";
    witness.run(links).unwrap();
    let late = format!(
        "ip link add late0 type veth; ip link set late0 up; {}",
        kill("bridged")
    );
    witness.run(&late).unwrap();
    let warm =
        "echo 0 >/cgroup/cold/cgroup.freeze; echo 1 >/cgroup/cgroup.procs; rmdir /cgroup/cold";
    witness.run(warm).unwrap();
    vm.wait_event_after(
        mark,
        "the address of a link that PID 1 was not told of",
        |event| event["event"] == "network" && event["link"] == "late0",
    )
    .unwrap();
    is_back(&vm, &before).unwrap();
    witness
        .run("ip link del late0; i=0; while [ $i -lt 300 ]; do ip link del flood$i; i=$((i + 1)); done")
        .unwrap();
}

#[test]
fn edge_32_a_console_under_xoff_holds_up_nobody() {
    let (vm, mut witness) = ready().unwrap();
    let mut console = vm.console().unwrap();
    console.type_raw("\u{13}").unwrap();
    // Lines for the console: each failed start is one.
    for _ in 0..3 {
        let _it_fails = vm.orlop_outcome(&["start", "glutton"]).unwrap();
        vm.wait_service("glutton", "failed").unwrap();
    }
    let before = up(&vm, "victim").unwrap();
    witness.run(&kill("victim")).unwrap();
    is_back(&vm, &before).unwrap();
    console.type_raw("\u{11}").unwrap();
    console.expect("glutton").unwrap();
}

#[test]
fn children_of_pid_1_are_stopped_and_killed() {
    let (vm, mut witness) = ready().unwrap();
    for signal in ["KILL", "STOP"] {
        let before = up(&vm, "victim").unwrap();
        // In a frozen cgroup its next process, PID 1's child on its way to execve, waits at its birth.
        let line = format!(
            "cd /cgroup/services/victim; echo 1 >cgroup.freeze; {}; \
             until read -r pid <cgroup.procs && [ $pid != $victim ]; do :; done; \
             kill -{signal} $pid; echo 0 >cgroup.freeze; echo $pid",
            kill("victim")
        );
        let caught = witness.run(&line).unwrap();
        assert_ne!(caught.trim(), before.pid.to_string());
        vm.orlop(&["ps"]).unwrap();
        is_back(&vm, &before).unwrap();
    }
}

#[test]
fn out_of_memory_beside_it() {
    let (vm, mut witness) = ready().unwrap();
    let before = up(&vm, "victim").unwrap();
    // More than the machine has, outside of all services: the kernel ends it, and nobody else.
    witness.tell("tail /dev/zero; true").unwrap();
    vm.orlop(&["ps"]).unwrap();
    witness.hear("tail /dev/zero; true").unwrap();
    witness.run(&kill("victim")).unwrap();
    is_back(&vm, &before).unwrap();
}

#[test]
fn edge_34_ten_thousand_orphans_are_reaped_at_once() {
    let (vm, mut witness) = ready().unwrap();
    let before = up(&vm, "victim").unwrap();
    // Their parent does not wait for them and ends: all it has left become PID 1's.
    let thousand = "i=0; while [ $i -lt 1000 ]; do : & i=$((i + 1)); done";
    let line = format!(
        "k=0; while [ $k -lt 10 ]; do ({thousand}); k=$((k + 1)); done; {}; echo done",
        kill("victim")
    );
    witness.tell(&line).unwrap();
    vm.orlop(&["ps"]).unwrap();
    assert_eq!(witness.hear(&line).unwrap().trim(), "done");
    is_back(&vm, &before).unwrap();
    let zombies = "cat /proc/[0-9]*/stat 2>/dev/null | awk '$3 == \"Z\" && $4 == 1' | wc -l";
    assert_eq!(witness.run(zombies).unwrap().trim(), "0");
}
