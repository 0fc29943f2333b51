//! Edge cases of supervision that other systems have fallen over, on one real machine. What counts is
//! what the kernel has seen (`src/trace`) wherever it can see it.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use orlop_qemu_tests::trace::{Life, Story};
use orlop_qemu_tests::{Held, MachineBuilder, Shared, Vm, Witness};
use serde_json::Value;

static VM: LazyLock<Shared> = LazyLock::new(|| Shared::new(boot()));

const STEADY: &str = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";
/// Asks for its own restart, from inside, when it is sent SIGUSR1.
const ASKS: &str =
    "trap 'orlop restart asks' USR1; trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";
/// Writes without end from SIGUSR1 on, in lines of a thousand letters.
const CHATTER: &str = "trap 'yes $(printf %01000d 0) & ' USR1; trap 'exit 0' TERM; \
     while :; do sleep 1000 & wait $!; done";
/// Its children take more memory than it has, one after the other, at SIGUSR1.
const HUNGRY: &str =
    "trap 'tail /dev/zero' USR1; trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";

fn boot() -> Result<Vm> {
    let none = "network_mode = \"none\"\n";
    let with = |more: &str| format!("{none}{more}");
    let asks = "command = [\"/bin/main-asks\"]\nnetwork_mode = \"none\"\ncontrol = [\"services.restart\"]\n\
         build = { debian = [\"busybox-static\"], programs = [\"orlop\"], files = { \"main\" = \"/bin/main-asks\" } }\n";
    let machine = MachineBuilder::with(&["gateway", "log"])?
        .main_service("steady", STEADY, none)
        .main_service("crash", "exit 7", none)
        .main_service(
            "limited",
            "exit 3",
            &with("start_limit = { burst = 2, interval = \"1h\" }"),
        )
        .main_service(
            "retried",
            "exit 3",
            &with("start_limit = { burst = 1, interval = \"1h\", retry_after = \"5s\" }"),
        )
        .main_service(
            "never",
            "exit 0",
            &with("readiness = \"notify\"\nstart_limit = { burst = 1, interval = \"1h\" }"),
        )
        .main_service("leans", STEADY, &with("depends_on = [\"never\"]"))
        .main_service(
            "base",
            &format!("echo >&3; exec 3>&-; {STEADY}"),
            &with("readiness = \"fd:3\""),
        )
        .main_service(
            "follows",
            STEADY,
            &with("depends_on = { base = { propagate = \"restart\" } }"),
        )
        .main_service(
            "deaf",
            "exec sleep 1000000",
            &with("init = true\nstop_grace_period = \"100s\""),
        )
        .main_service("hungry", HUNGRY, &with("mem_limit = \"24m\""))
        .main_service("chatter", CHATTER, none)
        .main_service("asks", ASKS, none)
        .service("asks", asks);
    let vm = machine.witness().boot()?;
    vm.wait_boot()?;
    Ok(vm)
}

fn ready() -> Result<(Held<'static>, Witness)> {
    let vm = VM.hold().map_err(anyhow::Error::msg)?;
    vm.wait_service("gateway", "up")?;
    let witness = vm.witness()?;
    Ok((vm, witness))
}

/// What the kernel has seen of a service until now: all that was before a mark is in the trace.
fn lives(vm: &Vm, witness: &mut Witness, service: &str) -> Result<Vec<Life>> {
    static MARKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = MARKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let words = format!("look {number}");
    witness.run(&format!("mark {words}"))?;
    let limit = std::time::Instant::now() + orlop_qemu_tests::HANG_LIMIT;
    loop {
        let story = Story::new(&vm.trace()?);
        if story.mark(&words).is_some() {
            return Ok(story.lives(service).to_vec());
        }
        anyhow::ensure!(
            std::time::Instant::now() < limit,
            "the trace does not go on"
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn pid(event: &Value) -> i32 {
    let pid = event.get("pid").and_then(Value::as_i64).unwrap_or_default();
    i32::try_from(pid).unwrap_or_default()
}

fn listed(vm: &Vm, service: &str) -> Result<Value> {
    let found = vm
        .services()?
        .into_iter()
        .find(|info| text(info, "name") == service);
    found.with_context(|| format!("{service} is not listed"))
}

#[test]
fn edge_01_a_service_that_is_killed_comes_back() {
    let (vm, mut witness) = ready().unwrap();
    let before = pid(&vm.wait_service("steady", "up").unwrap());
    let mark = vm.mark();
    witness.run(&format!("kill -9 {before}")).unwrap();
    let after = vm
        .wait_event_after(mark, "steady again", |e| {
            e["service"] == "steady" && e["state"] == "up"
        })
        .unwrap();
    let lives = lives(&vm, &mut witness, "steady").unwrap();
    let [.., dead, alive] = lives.as_slice() else {
        panic!("{lives:?}")
    };
    assert_eq!((dead.pid, alive.pid), (before, pid(&after)));
    assert!(dead.ended.is_some() && alive.ended.is_none(), "{lives:?}");
}

#[test]
fn edge_02_a_dependency_over_its_limit_fails_its_dependents() {
    let (vm, mut witness) = ready().unwrap();
    let failed = vm.wait_service("leans", "failed").unwrap();
    assert!(text(&failed, "cause").contains("never"), "{failed}");
    assert_eq!(lives(&vm, &mut witness, "leans").unwrap(), []);
}

#[test]
fn edge_03_a_start_by_hand_works_after_the_limit() {
    let (vm, mut witness) = ready().unwrap();
    vm.wait_service("limited", "failed").unwrap();
    let before = lives(&vm, &mut witness, "limited").unwrap();
    // Its first start and two automatic restarts.
    assert_eq!(before.len(), 3, "{before:?}");
    let mark = vm.mark();
    let _ends_at_once = vm.orlop_outcome(&["start", "limited"]).unwrap();
    vm.wait_service_after(mark, "limited", "failed").unwrap();
    let after = lives(&vm, &mut witness, "limited").unwrap();
    assert_eq!(after.len(), 6, "{after:?}");
}

#[test]
fn edge_04_a_service_over_its_limit_is_tried_again_when_that_is_asked_for() {
    let (vm, mut witness) = ready().unwrap();
    let mark = vm.mark();
    let begun = |e: &Value| e["service"] == "retried" && e["state"] == "up";
    vm.wait_event_after(mark, "another try", begun).unwrap();
    let lives = lives(&vm, &mut witness, "retried").unwrap();
    let pauses = lives.windows(2).filter_map(|pair| match pair {
        [before, after] => Some(after.began - before.ended?),
        _ => None,
    });
    let longest = pauses.max().unwrap();
    let window = std::time::Duration::from_millis(4500);
    assert!(longest >= window, "{longest:?} in {lives:?}");
}

#[test]
fn edge_05_a_restart_starts_what_is_stopped() {
    let (vm, _witness) = ready().unwrap();
    vm.orlop(&["stop", "steady"]).unwrap();
    vm.wait_service("steady", "down").unwrap();
    vm.orlop(&["restart", "steady"]).unwrap();
    vm.wait_service("steady", "up").unwrap();
}

#[test]
fn edge_06_a_stop_during_the_back_off_is_the_end_of_it() {
    let (vm, mut witness) = ready().unwrap();
    // The pauses are some seconds by then.
    let slow = |e: &Value| {
        let restarts = e["restarts"].as_u64().unwrap_or_default();
        e["service"] == "crash" && e["state"] == "backing-off" && restarts >= 5
    };
    vm.wait_event("a long back-off of crash", slow).unwrap();
    vm.wait_service("crash", "backing-off").unwrap();
    vm.orlop(&["stop", "crash"]).unwrap();
    vm.wait_service("crash", "down").unwrap();
    let before = lives(&vm, &mut witness, "crash").unwrap();
    witness.run("sleep 10").unwrap();
    assert_eq!(lives(&vm, &mut witness, "crash").unwrap(), before);
    // And is the true status of each end (edge 14).
    assert!(text(&listed(&vm, "crash").unwrap()["last_exits"][0], "cause").contains('7'));
}

#[test]
fn edge_08_who_wants_it_is_restarted_after_its_dependency_is_ready_again() {
    let (vm, mut witness) = ready().unwrap();
    vm.wait_service("follows", "up").unwrap();
    let before = pid(&vm.wait_service("base", "up").unwrap());
    let mark = vm.mark();
    witness.run(&format!("kill -9 {before}")).unwrap();
    vm.wait_event_after(mark, "follows again", |e| {
        e["service"] == "follows" && e["state"] == "up"
    })
    .unwrap();
    let base = lives(&vm, &mut witness, "base").unwrap();
    let follows = lives(&vm, &mut witness, "follows").unwrap();
    assert!(
        follows.last().unwrap().began > base.last().unwrap().began,
        "{base:?} {follows:?}"
    );
}

#[test]
fn edge_17_an_end_before_the_readiness_is_a_failure_at_once() {
    let (vm, _witness) = ready().unwrap();
    vm.wait_event("never, and why", |e| {
        e["service"] == "never" && text(e, "cause").contains("before it was ready")
    })
    .unwrap();
}

#[test]
fn edge_18_a_restart_asked_for_from_inside_stops_and_starts() {
    let (vm, mut witness) = ready().unwrap();
    let before = pid(&vm.wait_service("asks", "up").unwrap());
    let mark = vm.mark();
    witness.run(&format!("kill -USR1 {before}")).unwrap();
    let after = vm
        .wait_event_after(mark, "asks again", |e| {
            e["service"] == "asks" && e["state"] == "up"
        })
        .unwrap();
    assert_ne!(pid(&after), before);
    let lives = lives(&vm, &mut witness, "asks").unwrap();
    assert!(
        lives
            .iter()
            .all(|life| life.ended.is_some() == (life.pid != pid(&after)))
    );
}

#[test]
fn edge_20_cgroups_that_the_service_made_go_with_it() {
    let (vm, mut witness) = ready().unwrap();
    let mark = vm.mark();
    vm.orlop(&["restart", "steady"]).unwrap();
    let main = pid(&vm.wait_service_after(mark, "steady", "up").unwrap());
    let line = format!(
        "cd /cgroup/services/steady; mkdir -p a/b c; echo {main} >a/b/cgroup.procs; cat a/b/cgroup.procs"
    );
    assert_eq!(witness.run(&line).unwrap().trim(), main.to_string());
    vm.orlop(&["stop", "steady"]).unwrap();
    witness.run("[ ! -e /cgroup/services/steady ]").unwrap();
    vm.orlop(&["start", "steady"]).unwrap();
}

#[test]
fn edge_21_kills_for_want_of_memory_are_counted_and_the_rest_goes_on() {
    let (vm, mut witness) = ready().unwrap();
    let main = pid(&vm.wait_service("hungry", "up").unwrap());
    for count in 1..=2 {
        witness.run(&format!("kill -USR1 {main}")).unwrap();
        let killed = "/cgroup/services/hungry/memory.events";
        witness
            .run(&format!(
                "until grep -q 'oom_kill {count}' {killed}; do sleep 0.1; done"
            ))
            .unwrap();
    }
    let info = listed(&vm, "hungry").unwrap();
    assert_eq!((pid(&info), text(&info, "state")), (main, "up"), "{info}");
    assert_eq!(info["oom_kills"], 2, "{info}");
}

#[test]
fn edge_42_a_stopped_reader_of_logs_blocks_no_writer_and_what_is_lost_is_counted() {
    let (vm, mut witness) = ready().unwrap();
    let writer = pid(&vm.wait_service("chatter", "up").unwrap());
    vm.orlop(&["stop", "log"]).unwrap();
    // Far more than any pipe holds.
    let line = format!(
        "kill -USR1 {writer}; until for pid in $(cat /cgroup/services/chatter/cgroup.procs); do \
         cat /proc/$pid/io; done | awk '/^wchar/ {{ sum += $2 }} END {{ exit sum < 4000000 }}'; \
         do sleep 0.2; done"
    );
    witness.run(&line).unwrap();
    vm.orlop(&["stop", "chatter"]).unwrap();
    vm.orlop(&["start", "log"]).unwrap();
    vm.log_until("chatter", "bytes were lost").unwrap();
}

#[test]
fn edge_43_a_service_under_sigstop_stops() {
    let (vm, mut witness) = ready().unwrap();
    let mark = vm.mark();
    vm.orlop(&["restart", "steady"]).unwrap();
    let main = pid(&vm.wait_service_after(mark, "steady", "up").unwrap());
    witness.run(&format!("kill -STOP {main}")).unwrap();
    let mark = vm.mark();
    vm.orlop(&["stop", "steady"]).unwrap();
    let down = vm.wait_service_after(mark, "steady", "down").unwrap();
    // It heard of it: nobody had to kill it.
    assert!(!text(&down, "cause").contains("kill"), "{down}");
    vm.orlop(&["start", "steady"]).unwrap();
}

#[test]
fn edge_45_without_a_handler_the_small_init_ends_it() {
    let (vm, mut witness) = ready().unwrap();
    vm.wait_service("deaf", "up").unwrap();
    // Its grace is longer than this test waits.
    vm.orlop(&["stop", "deaf"]).unwrap();
    vm.wait_service("deaf", "down").unwrap();
    assert!(
        lives(&vm, &mut witness, "deaf")
            .unwrap()
            .iter()
            .all(|life| life.ended.is_some())
    );
}

#[test]
fn edge_09_a_service_that_never_gets_ready_does_not_hold_up_the_power_off() {
    let unready = "readiness = \"notify\"\nstart_timeout = \"1h\"\nstop_grace_period = \"2s\"";
    let machine = MachineBuilder::with(&["gateway", "log"])
        .unwrap()
        .main_service("unready", "exec busybox sleep 1000000", unready)
        .main_service("after", STEADY, "depends_on = [\"unready\"]");
    let mut vm = machine.boot().unwrap();
    vm.wait_service("gateway", "up").unwrap();
    vm.wait_service("unready", "starting").unwrap();
    vm.orlop(&["poweroff"]).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
    let events = vm.events();
    assert!(
        events
            .iter()
            .all(|e| e["service"] != "after" || e["state"] != "up")
    );
}
