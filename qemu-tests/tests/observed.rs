//! Agreement with reality: services are killed, stopped and started at random, and what the kernel
//! has seen of it is checked (`src/trace`), not what Orlop says.

use std::cell::RefCell;
use std::time::Duration;

use orlop_qemu_tests::trace::Story;
use orlop_qemu_tests::{Dice, MachineBuilder, Outcome, Vm, Witness, rounds, seed, waterfall};
use serde_json::Value;

/// Runs until it is told to stop, as `top` of what it depends on.
const STEADY: &str = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";
/// Ends by itself, at once or after a while, well or not.
const FLAKY: &str = "case $(($(cut -d. -f1 /proc/uptime) % 3)) in \
     0) exit 3;; 1) exit 0;; 2) sleep 1; exit 1;; esac";
/// From PID 1's decision to start until the execve: nothing that it hears meanwhile can stop that.
const LAUNCH: Duration = Duration::from_secs(2);

const SERVICES: [&str; 4] = ["base", "mid", "top", "alone"];
const EDGES: [(&str, &str); 2] = [("mid", "base"), ("top", "mid")];

fn boot() -> anyhow::Result<Vm> {
    let machine = MachineBuilder::with(&["gateway", "log"])?
        .main_service("base", STEADY, "")
        .main_service("mid", STEADY, "depends_on = [\"base\"]")
        .main_service("top", STEADY, "depends_on = [\"mid\"]")
        .main_service("alone", STEADY, "")
        .main_service("flaky", FLAKY, "");
    let vm = machine.witness().boot()?;
    vm.wait_boot()?;
    Ok(vm)
}

/// One random deed; gives whether the service is wanted afterwards, when that changes.
fn act(vm: &Vm, witness: &mut Witness, service: &str, deed: usize) -> anyhow::Result<Option<bool>> {
    let verb = match deed {
        // Not by Orlop's word: the kernel's list of who is in the cgroup, the main process first.
        0..=3 => {
            let procs = format!("/cgroup/services/{service}/cgroup.procs");
            let line = format!(
                "read -r pid <{procs} && kill -9 $pid && mark kill {service} && \
                 while grep -qx $pid {procs}; do :; done"
            );
            // A service that is down has no cgroup, and one that has ended none any more.
            let _gone = witness.run(&line);
            return Ok(None);
        }
        4..=5 => "stop",
        6..=7 => "start",
        _ => "restart",
    };
    // It may be refused, for want of what it depends on: what counts is what the kernel sees.
    ask(vm, witness, verb, service)?;
    Ok(Some(verb != "stop"))
}

/// Waits until a service is up, by the kernel's word too: of whom a deed has killed PID 1 may not have
/// heard yet.
fn wait_alive(vm: &Vm, witness: &mut Witness, service: &str) -> anyhow::Result<()> {
    let witness = RefCell::new(witness);
    let first = format!("read -r pid </cgroup/services/{service}/cgroup.procs; echo $pid");
    let is_alive = |info: &Value| {
        let first = witness.borrow_mut().run(&first).unwrap_or_default();
        info["state"] == "up" && first.trim().parse().ok() == info["pid"].as_u64()
    };
    vm.wait_ps(service, is_alive).map(|_| ())
}

/// A request, with its begin and its end in the trace, and whom it is about: what is started or
/// restarted brings along what it requires.
fn ask(vm: &Vm, witness: &mut Witness, verb: &str, service: &str) -> anyhow::Result<Outcome> {
    let about = match (verb, service) {
        ("stop", _) => service,
        (_, "mid") => "mid base",
        (_, "top") => "top mid base",
        _ => service,
    };
    witness.run(&format!("mark begin {verb} {about}"))?;
    let outcome = vm.orlop_outcome(&[verb, service])?;
    witness.run(&format!("mark end {verb} {about}"))?;
    Ok(outcome)
}

#[test]
fn edge_15_the_kernels_own_account_of_crashes_and_requests_agrees_with_the_model() {
    let seed = seed();
    println!("ORLOP_SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut vm = boot().unwrap();
    let waterfall = vm.orlop(&["boot", "--json"]).unwrap();
    let mut witness = vm.witness().unwrap();
    let mut wanted = SERVICES.map(|_| true);
    for _ in 0..40 * rounds() {
        let chosen = dice.below(SERVICES.len());
        let deed = act(&vm, &mut witness, SERVICES[chosen], dice.below(10));
        if let Some(now) = deed.unwrap() {
            wanted[chosen] = now;
        }
    }
    // Calm: everything is wanted, and comes.
    for (service, wanted) in SERVICES.iter().zip(wanted) {
        if !wanted {
            ask(&vm, &mut witness, "start", service)
                .unwrap()
                .success()
                .unwrap();
        }
    }
    for service in SERVICES {
        wait_alive(&vm, &mut witness, service).unwrap();
    }
    let often = |event: &Value| event["service"] == "flaky" && event["restarts"] == 4;
    vm.wait_event("the fourth restart of flaky", often).unwrap();
    witness.run("mark calm").unwrap();
    vm.orlop(&["poweroff"]).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);

    // What `orlop boot` draws is what PID 1 said then, and what the kernel saw.
    let waterfall = serde_json::from_str(&waterfall).unwrap();
    let trace = vm.trace().unwrap();
    let wrong = waterfall::disagreements(&waterfall, &vm.events(), &trace);
    assert_eq!(wrong, [""; 0], "{waterfall}");

    let story = Story::new(&trace);
    let calm = story.mark("calm").unwrap();
    let mut wrong = story.wrong().to_vec();
    for (service, dependency) in EDGES {
        wrong.extend(story.started_without(service, dependency, LAUNCH));
        wrong.extend(story.ended_in_order(service, dependency).err());
    }
    for service in SERVICES {
        wrong.extend(story.restarted_too_soon(service));
        let last = story.lives(service).last().unwrap();
        let alive = last.began < calm && last.ended.is_some_and(|end| end > calm);
        if !alive {
            wrong.push(format!("{service} was not up when all was calm: {last:?}"));
        }
    }
    wrong.extend(story.restarted_too_soon("flaky"));
    assert!(story.lives("flaky").len() > 4, "{:?}", story.lives("flaky"));
    assert_eq!(wrong, [] as [&str; 0]);
}
