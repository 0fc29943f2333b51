//! What runs once, what runs by a schedule, what runs several times, what waits for the machine;
//! and what runs out of memory.

use std::sync::LazyLock;

use anyhow::Result;
use orlop_qemu_tests::{MachineBuilder, Shared, Vm};
use serde_json::Value;

static MACHINE: LazyLock<Shared> = LazyLock::new(|| Shared::new(boot()));

const SLEEP: &str = "exec /bin/busybox sleep 1000000";

/// Takes a second to stop.
const SLOW: &str =
    "trap '/bin/busybox sleep 1; exit 0' TERM; /bin/busybox sleep 1000000 & wait; exit 1";

fn boot() -> Result<Vm> {
    let prepare = "echo prepared; exit 0";
    let once = "type = \"oneshot\"";
    let remain = "type = \"oneshot\"\nremain_after_exit = true";
    let replica = format!("echo \"I am $ORLOP_REPLICA, $(/bin/busybox hostname)\"; {SLEEP}");
    // A child of the shell takes all there is.
    let hungry = "/bin/busybox tail /dev/zero & wait; exec /bin/busybox sleep 1000000";
    let greedy = "exec /bin/busybox tail /dev/zero";
    MachineBuilder::with(&["log", "gateway", "dhcp"])?
        .shell_service("prepare", prepare, remain)
        .shell_service("prepared", SLEEP, "depends_on = [\"prepare\"]")
        .shell_service("once", prepare, once)
        .shell_service(
            "done",
            SLEEP,
            "depends_on = { once = { condition = \"service_completed_successfully\" } }",
        )
        .shell_service(
            "tick",
            "echo tick",
            "schedule = \"every 2s\"\ntype = \"oneshot\"",
        )
        .shell_service("web", &replica, "scale = 3")
        .shell_service("base", SLOW, "")
        .shell_service("upper", SLOW, "depends_on = [\"base\"]")
        .shell_service("aside", SLOW, "")
        .shell_service(
            "online",
            SLEEP,
            "needs = [\"link\", \"address\", \"online\"]",
        )
        .shell_service("device", SLEEP, "needs = [\"device:/dev/vportless\"]")
        .shell_service(
            "path",
            SLEEP,
            "needs = [\"path:/run/orlop/control/gateway.sock\"]",
        )
        .shell_service("late", SLEEP, "needs = [\"path:/run/late/sign\"]")
        .shell_service("clock", SLEEP, "needs = [\"time\"]")
        .shell_service(
            "yearly",
            "echo happy new year",
            "schedule = \"0 3 1 1 *\"\ntype = \"oneshot\"",
        )
        .shell_service("hungry", hungry, "mem_limit = \"16m\"\nrestart = \"no\"")
        .shell_service(
            "greedy",
            greedy,
            "mem_limit = \"16m\"\noom_policy = \"kill\"\nrestart = \"no\"",
        )
        .witness()
        .boot()
}

#[test]
fn a_oneshot_is_up_once_it_has_ended_with_success() {
    let vm = MACHINE.hold_booted().unwrap();
    vm.wait_service("prepared", "up").unwrap();
    vm.wait_service("done", "up").unwrap();
    assert!(vm.place("prepare", "up").unwrap() < vm.place("prepared", "starting").unwrap());
    let prepare = vm.status("prepare").unwrap();
    assert_eq!(prepare["state"], "up");
    assert_eq!(prepare["pid"], Value::Null);
    assert_eq!(vm.status("once").unwrap()["state"], "down");
    assert_eq!(vm.status("once").unwrap()["restarts"], 0);
}

#[test]
fn a_schedule_runs_again_and_again_and_says_when() {
    let vm = MACHINE.hold_booted().unwrap();
    let ran = |wanted: usize| {
        let wanted = move |events: &[Value]| {
            let starts = events
                .iter()
                .filter(|e| e["service"] == "tick" && e["state"] == "starting");
            starts.count() >= wanted
        };
        let seen = std::cell::RefCell::new(Vec::new());
        vm.wait_event("another run of tick", |event| {
            seen.borrow_mut().push(event.clone());
            wanted(&seen.borrow())
        })
        .unwrap()
    };
    ran(3);
    let tick = vm.status("tick").unwrap();
    if tick["state"] == "down" {
        assert!(tick["next_run_in_ms"].as_u64().unwrap() <= 2000, "{tick}");
    }
    let events = vm.events();
    let at = |event: &&Value| event["service"] == "tick" && event["state"] == "starting";
    let starts: Vec<u64> = events
        .iter()
        .filter(at)
        .map(|event| event["uptime_ms"].as_u64().unwrap())
        .collect();
    for pair in starts.windows(2) {
        assert!(pair[1] - pair[0] >= 1000, "{starts:?}");
    }
}

#[test]
fn three_replicas_have_names_and_answer_to_one() {
    let vm = MACHINE.hold_booted().unwrap();
    for index in 1..=3 {
        let name = format!("web-{index}");
        vm.wait_service(&name, "up").unwrap();
        vm.log_until(&name, &format!("I am {index}, {name}"))
            .unwrap();
        assert_eq!(vm.status(&name).unwrap()["replica_of"], "web");
    }
    let mark = vm.mark();
    vm.orlop(&["stop", "web"]).unwrap();
    for index in 1..=3 {
        assert_eq!(vm.status(&format!("web-{index}")).unwrap()["state"], "down");
    }
    vm.orlop(&["start", "web"]).unwrap();
    for index in 1..=3 {
        vm.wait_service_after(mark, &format!("web-{index}"), "up")
            .unwrap();
    }
    let refused = vm.orlop_outcome(&["stop", "web-4"]).unwrap();
    assert!(refused.stderr.contains("web-"), "{refused:?}");
    let logs = vm.orlop_outcome(&["logs", "web"]).unwrap();
    assert!(logs.stderr.contains("web-"), "{logs:?}");
}

#[test]
fn several_are_stopped_at_once_and_dependents_first() {
    let vm = MACHINE.hold_booted().unwrap();
    for service in ["base", "upper", "aside"] {
        vm.wait_service(service, "up").unwrap();
    }
    let typo = vm.orlop_outcome(&["stop", "base", "bsae"]).unwrap();
    assert!(typo.stderr.contains("base"), "{typo:?}");
    assert_eq!(vm.status("base").unwrap()["state"], "up");
    vm.orlop(&["stop", "base", "upper", "aside"]).unwrap();
    let place = |service, state| vm.place(service, state).unwrap();
    assert!(place("upper", "stopping") < place("aside", "down"));
    assert!(place("aside", "stopping") < place("upper", "down"));
    assert!(place("upper", "down") < place("base", "stopping"));
    for service in ["base", "upper", "aside"] {
        assert_eq!(vm.status(service).unwrap()["state"], "down");
    }
    let mark = vm.mark();
    vm.orlop(&["start", "upper", "aside"]).unwrap();
    for service in ["base", "upper", "aside"] {
        vm.wait_service_after(mark, service, "up").unwrap();
    }
}

#[test]
fn what_needs_the_network_starts_with_the_address() {
    let vm = MACHINE.hold_booted().unwrap();
    vm.wait_service("online", "up").unwrap();
    let events = vm.events();
    let address = events
        .iter()
        .position(|event| event["event"] == "network")
        .unwrap();
    let starting = vm.place("online", "starting").unwrap();
    // The address is told by the owner of the network right before it says that it is there.
    assert!(starting > address, "{events:?}");
    vm.wait_service("path", "up").unwrap();
    let device = vm.status("device").unwrap();
    assert_eq!(device["state"], "waiting");
    let cause = device["cause"].as_str().unwrap();
    assert!(cause.contains("/dev/vportless"), "{cause}");
}

#[test]
fn what_comes_later_is_noticed_while_somebody_waits_for_it() {
    let vm = MACHINE.hold_booted().unwrap();
    let late = vm.status("late").unwrap();
    assert_eq!(late["state"], "waiting");
    // No time service runs here: the kernel does not hold its clock for right.
    let clock = vm.status("clock").unwrap();
    assert_eq!(clock["state"], "waiting");
    assert!(clock["cause"].as_str().unwrap().contains("time"), "{clock}");
    let mut witness = vm.witness().unwrap();
    witness
        .run("mkdir -p /proc/1/root/run/late; touch /proc/1/root/run/late/sign")
        .unwrap();
    vm.wait_service("late", "up").unwrap();
    // Only starts wait: it goes on without, and does not come back without.
    witness.run("rm -r /proc/1/root/run/late").unwrap();
    let mark = vm.mark();
    vm.orlop(&["kill", "-s", "KILL", "late"]).unwrap();
    vm.wait_service_after(mark, "late", "waiting").unwrap();
    witness
        .run("mkdir -p /proc/1/root/run/late; touch /proc/1/root/run/late/sign")
        .unwrap();
    vm.wait_service_after(mark, "late", "up").unwrap();
}

#[test]
fn a_jump_of_the_clock_brings_a_schedule_forward() {
    let vm = MACHINE.hold_booted().unwrap();
    assert_eq!(vm.status("yearly").unwrap()["state"], "down");
    let mut witness = vm.witness().unwrap();
    // New Year's Day of 2040, two seconds before three in the morning, UTC.
    witness.run("date -u -s @2208999598").unwrap();
    vm.wait_event("the run of yearly", |event| {
        event["service"] == "yearly" && event["state"] == "starting"
    })
    .unwrap();
    vm.log_until("yearly", "happy new year").unwrap();
}

#[test]
fn edge_21_a_kill_for_want_of_memory_is_named() {
    let vm = MACHINE.hold_booted().unwrap();
    let event = vm.wait_service("greedy", "failed").unwrap();
    let cause = event["cause"].as_str().unwrap();
    assert!(cause.contains("memory"), "{cause}");
    assert_eq!(vm.status("greedy").unwrap()["oom_kills"], 1);
    // Only a child was killed: the service goes on, and the kill is counted.
    vm.wait_service("hungry", "up").unwrap();
    let hungry = vm.wait_ps("hungry", |info| info["oom_kills"] == 1).unwrap();
    assert_eq!(hungry["state"], "up");
}
