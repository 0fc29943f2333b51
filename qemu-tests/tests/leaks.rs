//! Services that start and end by the hundred, well and badly, through PID 1: afterwards the machine
//! has what it had before. The kernel is asked, by a process outside of all services.
//!
//! ORLOP_LAUNCHES: how often the short-lived one is restarted; 200 in `make test`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use orlop_qemu_tests::{MachineBuilder, Vm, Witness, rounds};

/// What could be left, each counted by a line of shell.
const COUNTS: [(&str, &str); 10] = [
    // Threads of the kernel have no program. Without a pipe: its own processes would count or not.
    (
        "processes",
        "n=0; for p in /proc/[0-9]*; do readlink $p/exe >/dev/null && n=$((n+1)); done; echo $n",
    ),
    ("zombies", "grep -l 'State:.Z' /proc/[0-9]*/status | wc -l"),
    ("descriptors of PID 1", "ls /proc/1/fd | wc -l"),
    ("mounts of PID 1", "wc -l < /proc/1/mountinfo"),
    ("cgroups", "find /cgroup -type d | wc -l"),
    ("links", "ls /sys/class/net | wc -l"),
    (
        "network namespaces of processes",
        "for p in /proc/[0-9]*; do readlink $p/ns/net; done | sort -u | wc -l",
    ),
    (
        "user namespaces of processes",
        "for p in /proc/[0-9]*; do readlink $p/ns/user; done | sort -u | wc -l",
    ),
    (
        "id ranges of processes",
        "cat /proc/[0-9]*/uid_map | awk '{ print $2 }' | sort -u | wc -l",
    ),
    (
        "what PID 1 waits for",
        "cat /proc/1/fdinfo/* | grep -e ^inotify -e ^tfd | wc -l",
    ),
];

/// Ways in which a launch fails, and what is said of it.
const FAILING: [(&str, &str, &str); 4] = [
    (
        "no-program",
        "command = [\"/bin/absent\"]",
        "executing /bin/absent: ENOENT (the image \"short\" has no such file",
    ),
    (
        "no-device",
        "command = [\"/bin/busybox\", \"true\"]\ndevices = [\"/dev/absent\"]",
        "making /dev/absent from the machine's /dev/absent: ENOENT (the machine does not have it)",
    ),
    (
        "no-file",
        "command = [\"/bin\"]",
        "executing /bin: EACCES (in the image \"short\" it is not executable",
    ),
    (
        "no-user",
        "command = [\"/bin/busybox\", \"true\"]\nuser = \"absent\"",
        "user",
    ),
];

fn boot() -> Result<Vm> {
    let mut machine = MachineBuilder::with(&["log", "gateway"])?
        .shell_service(
            "short",
            "exit 3",
            "restart_delay = \"1ms\"\nrestart_max_delay = \"1ms\"",
        )
        .shell_service("steady", "exec busybox sleep 1000000", "");
    for (name, keys, _) in FAILING {
        let toml = format!("image = \"short\"\nrestart = \"no\"\n{keys}\n");
        machine = machine.service(name, &toml);
    }
    machine.witness().boot()
}

fn count(witness: &mut Witness) -> Result<BTreeMap<&'static str, u64>> {
    let one = |(name, line): (&'static str, &str)| {
        let said = witness.run(line)?;
        let number = said.trim().parse();
        Ok((name, number.with_context(|| format!("{name}: {said:?}"))?))
    };
    COUNTS.into_iter().map(one).collect()
}

fn launches() -> u64 {
    let text = std::env::var("ORLOP_LAUNCHES").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(200)
}

#[test]
fn launches_through_pid_1_leave_nothing() {
    let vm = boot().unwrap();
    vm.wait_boot().unwrap();
    let mut witness = vm.witness().unwrap();
    let restarted = |count: u64| {
        vm.wait_event("restarts of short", |event| {
            event["service"] == "short" && event["restarts"].as_u64() >= Some(count)
        })
        .unwrap();
    };
    // Everything that a machine does once has been done.
    restarted(20);
    vm.orlop(&["stop", "short"]).unwrap();
    let mark = vm.mark();
    let before = count(&mut witness).unwrap();

    // The kernel itself refuses the eleventh network namespace that is left.
    let limit = before["network namespaces of processes"] + 10;
    for kind in ["net", "user"] {
        let line = format!("echo {limit} > /proc/sys/user/max_{kind}_namespaces");
        witness.run(&line).unwrap();
    }
    for round in 0..rounds() * 6 {
        for (name, _, said) in FAILING {
            let refused = vm.orlop_outcome(&["start", name]).unwrap();
            let (status, words) = (refused.status, refused.stderr);
            assert!(
                status != 0 && words.contains(said),
                "round {round}: {name}: {status} {words}"
            );
        }
        vm.orlop(&["start", "short"]).unwrap();
        vm.orlop(&["stop", "short"]).unwrap();
    }
    vm.orlop(&["start", "short"]).unwrap();
    let mut done = 0;
    while done < launches() {
        done += 50;
        vm.wait_event_after(mark, "restarts of short", |event| {
            event["service"] == "short" && event["restarts"].as_u64() >= Some(done)
        })
        .unwrap();
    }
    vm.orlop(&["stop", "short"]).unwrap();
    let after = count(&mut witness).unwrap();
    // There may be less: the kernel deletes links and ends its own threads later.
    let left: Vec<&str> = COUNTS
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| after.get(name) > before.get(name))
        .collect();
    assert!(
        left.is_empty(),
        "{left:?} of {done} launches: {before:?}, then {after:?}"
    );
}

/// Nothing of Orlop's stays for a service beside the service's own processes.
#[test]
fn a_running_service_has_no_companion() {
    let vm = boot().unwrap();
    vm.wait_service("steady", "up").unwrap();
    vm.wait_boot().unwrap();
    let mut witness = vm.witness().unwrap();
    vm.orlop(&["stop", "short"]).unwrap();
    // PID 1's children by the kernel, and the services' processes by their cgroups; the witness is
    // a child of PID 1 too.
    let said = witness
        .run("for p in $(cat /proc/1/task/1/children); do case $(cat /proc/$p/cgroup) in */services/*) ;; *) cat /proc/$p/comm ;; esac; done")
        .unwrap();
    let strangers: Vec<&str> = said.lines().filter(|line| *line != "busybox").collect();
    assert_eq!(strangers, Vec::<&str>::new());
    let inside = witness
        .run("cat /cgroup/services/steady/cgroup.procs | wc -l")
        .unwrap();
    assert_eq!(inside.trim(), "1");
}
