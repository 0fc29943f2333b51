//! A service is up when it says so: sd_notify, a line on a descriptor; a watchdog; who may speak.

use std::sync::LazyLock;

use anyhow::Result;
use orlop_qemu_tests::{MachineBuilder, Shared, Vm};
use serde_json::Value;

/// Debian's systemd-notify waits until PID 1 has closed the descriptor that it sends along
/// (BARRIER=1): were it not closed, each of these scripts would end with an error after 5 s.
const NOTIFY: &str = "build = { debian = [\"busybox-static\", \"systemd\"] }";

fn script(text: &str, more: &str) -> String {
    format!(
        "command = [\"/bin/busybox\", \"sh\", \"-ec\", '''{text}''']\n\
         stop_grace_period = \"1s\"\n{more}\n{NOTIFY}\n"
    )
}

const SLEEP: &str = "exec /bin/busybox sleep 1000000";

static MACHINE: LazyLock<Shared> = LazyLock::new(|| Shared::new(boot()));

fn boot() -> Result<Vm> {
    // Ready only after two answered messages, and with a status for `ps`.
    let speaks = format!(
        "systemd-notify --status=warming\n\
         echo warm\n\
         systemd-notify --ready --status='serving 3 clients'\n\
         echo said\n{SLEEP}"
    );
    // A dependent that starts before would be before it in the stream of events.
    let after = "depends_on = [\"speaks\"]";
    // Says a line after a while, on the descriptor that the manifest names.
    let line = format!("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo ready >&5; {SLEEP}");
    let mute = SLEEP.to_owned();
    let mute_more = "readiness = \"notify\"\nstart_timeout = \"2s\"\nrestart = \"no\"";
    // Ends before it said anything: a broken promise at once, not after the timeout.
    let quits = "exit 0";
    // 1, 0 and what does not exist change nothing; one of its own is the main process from then on.
    let names = "trap 'go=1' USR1\n\
         /bin/busybox sleep 1000000 & child=$!\n\
         for pid in 0 4000000 1; do systemd-notify MAINPID=$pid; done\n\
         systemd-notify --ready\n\
         echo before\n\
         while [ -z \"$go\" ]; do /bin/busybox usleep 10000; done\n\
         systemd-notify MAINPID=$child STATUS=child\n\
         set +e; wait $child; exit 7";
    let dog = "systemd-notify --ready\n\
         for i in 1 2 3 4 5 6; do /bin/busybox usleep 500000; systemd-notify WATCHDOG=1; done\n\
         echo hangs\n\
         exec /bin/busybox sleep 1000000";
    MachineBuilder::with(&["log", "gateway"])?
        .service("speaks", &script(&speaks, "readiness = \"notify\""))
        .service("after", &script(SLEEP, after))
        .service("line", &script(&line, "readiness = \"fd:5\""))
        .service("afterline", &script(SLEEP, "depends_on = [\"line\"]"))
        .service("mute", &script(&mute, mute_more))
        .service(
            "quits",
            &script(quits, "readiness = \"notify\"\nrestart = \"no\""),
        )
        .service(
            "names",
            &script(names, "readiness = \"notify\"\nrestart = \"no\""),
        )
        .service(
            "dog",
            &script(dog, "readiness = \"notify\"\nwatchdog = \"1500ms\""),
        )
        .boot()
}

#[test]
fn up_comes_with_ready_and_dependents_wait_for_it() {
    let vm = MACHINE.hold_booted().unwrap();
    vm.wait_service("after", "up").unwrap();
    vm.wait_service("afterline", "up").unwrap();
    assert!(vm.place("speaks", "up").unwrap() < vm.place("after", "starting").unwrap());
    assert!(vm.place("line", "up").unwrap() < vm.place("afterline", "starting").unwrap());
    // Both statements came through, and the barrier was answered each time.
    vm.log_until("speaks", "said").unwrap();
    assert_eq!(
        vm.status("speaks").unwrap()["status_text"],
        "serving 3 clients"
    );
}

#[test]
fn who_never_says_that_it_is_ready_has_failed_in_time() {
    let vm = MACHINE.hold_booted().unwrap();
    let event = vm.wait_service("mute", "failed").unwrap();
    let cause = event["cause"].as_str().unwrap();
    assert!(cause.contains("2 s"), "{cause}");
    let events = vm.events();
    let never_up = |event: &Value| event["service"] == "mute" && event["state"] == "up";
    assert!(!events.iter().any(never_up), "{events:?}");
}

#[test]
fn edge_17_who_ends_before_ready_has_broken_the_protocol() {
    let vm = MACHINE.hold_booted().unwrap();
    let event = vm.wait_service("quits", "failed").unwrap();
    let cause = event["cause"].as_str().unwrap();
    assert!(cause.contains("before it was ready"), "{cause}");
}

#[test]
fn edge_29_31_the_main_process_is_who_the_service_says_and_its_own() {
    let vm = MACHINE.hold_booted().unwrap();
    vm.wait_service("names", "up").unwrap();
    vm.log_until("names", "before").unwrap();
    let launched = vm.status("names").unwrap()["pid"].as_u64().unwrap();
    let up = vm.wait_service("names", "up").unwrap();
    // The three before it named nobody.
    assert_eq!(up["pid"].as_u64().unwrap(), launched);
    vm.orlop(&["kill", "-s", "USR1", "names"]).unwrap();
    let named = |info: &Value| info["status_text"] == "child";
    let child = vm.wait_ps("names", named).unwrap();
    assert!(child["pid"].as_u64().unwrap() > launched, "{child}");
    // A signal goes to the child now; its parent says how it ends.
    vm.orlop(&["kill", "-s", "KILL", "names"]).unwrap();
    let failed = vm.wait_service("names", "failed").unwrap();
    assert_eq!(failed["cause"], "exited with code 7");
}

#[test]
fn a_watchdog_that_hears_nothing_restarts() {
    let vm = MACHINE.hold_booted().unwrap();
    vm.log_until("dog", "hangs").unwrap();
    let barked = vm
        .wait_event("the watchdog's end of dog", |event| {
            let cause = event["cause"].as_str().unwrap_or_default();
            event["service"] == "dog" && cause.contains("watchdog")
        })
        .unwrap();
    assert_ne!(barked["state"], "up");
    // Six pings half a second apart kept it up for longer than the watchdog's time.
    let events = vm.events();
    let up = &events[vm.place("dog", "up").unwrap()]["uptime_ms"];
    let lived = barked["uptime_ms"].as_u64().unwrap() - up.as_u64().unwrap();
    assert!(lived >= 4000, "{lived} ms");
    vm.wait_event("dog's restart", |event| {
        event["service"] == "dog" && event["restarts"] == 1
    })
    .unwrap();
}
