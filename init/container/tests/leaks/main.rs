//! Launches by the hundred: nothing is left of them, however they end.
//!
//! ORLOP_LAUNCHES: how many; 200 in `make test`, 10,000 in `make soak`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[cfg(test)]
#[path = "../faults/census.rs"]
mod census;
#[cfg(test)]
#[path = "../launch/ground.rs"]
#[expect(dead_code, reason = "the other test programs use more of it")]
mod ground;

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use census::{Census, has_children, reap_all, users_of_range};
use ground::{Ground, Trial, ground, pipe_with, wait};

/// One at a time: all count what the process holds.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn launches() -> usize {
    std::env::var("ORLOP_LAUNCHES").map_or(200, |text| {
        text.parse().expect("ORLOP_LAUNCHES is a number")
    })
}

fn cgroups_of_this_process(ground: &Ground) -> Vec<String> {
    let own = format!("orlop-test-{}-", std::process::id());
    let base = Trial::shell("", "").cgroup_path(ground);
    let entries = fs::read_dir(base.parent().unwrap()).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(&own))
        .collect()
}

/// Every way in which a launch ends.
const ENDS: [(&str, &str); 7] = [
    ("it runs", "command = [\"/bin/busybox\", \"true\"]"),
    (
        "it has a writable root",
        "read_only = false\ncommand = [\"/bin/busybox\", \"true\"]",
    ),
    (
        "it leaves orphans behind",
        "command = [\"/bin/sh\", \"-c\", \"sleep 600 & sleep 600 & exit 3\"]",
    ),
    ("its program is missing", "command = [\"/bin/nginx\"]"),
    (
        "its working directory is missing",
        "working_dir = \"/srv\"\ncommand = [\"/bin/sh\"]",
    ),
    (
        "a mount has no target",
        "tmpfs = [\"/var/cache/web\"]\ncommand = [\"/bin/sh\"]",
    ),
    (
        "a device is missing",
        "devices = [\"/dev/absent\"]\ncommand = [\"/bin/sh\"]",
    ),
];

#[test]
fn launches_leave_nothing() {
    let Some(ground) = ground() else { return };
    let _alone = alone();
    let socket = pipe_with(b"");
    let one = |number: usize| {
        let (_, manifest) = ENDS[number % ENDS.len()];
        let mut trial = Trial::new(manifest);
        trial.listen = vec![("one".to_owned(), socket.as_fd())];
        let _any_end = trial.run(ground);
        assert_eq!(users_of_range(trial.base), 0, "{manifest}");
    };
    // What the first of each kind sets up once, such as the harness's own buffers.
    (0..ENDS.len()).for_each(one);
    let before = (Census::take(), anonymous_kib());
    (0..launches()).for_each(one);
    assert_eq!(Census::left_since(&before.0), Vec::<String>::new());
    assert!(!has_children());
    assert_eq!(cgroups_of_this_process(ground), Vec::<String>::new());
    let grown = anonymous_kib().saturating_sub(before.1);
    println!("{} launches: {grown} KiB of memory more", launches());
    assert!(
        grown < 1024,
        "{grown} KiB of memory are left of {} launches",
        launches()
    );
}

/// Edge 52: short-lived services by the dozen, all at once; every cgroup goes without EBUSY, and no
/// mount of one is seen by another. Edge 66: each has a fixed budget of memory.
#[test]
fn edge_52_and_66_two_hundred_at_once() {
    const AT_ONCE: usize = 200;
    /// Descriptors, plan and strings of a launch under way, in the launcher.
    const BUDGET_KIB: usize = 64;
    let Some(ground) = ground() else { return };
    let _alone = alone();
    let script = "while read a b c d mount rest; do echo $mount; done < /proc/self/mountinfo | sort | uniq -d | grep -v ^/proc; exit 0";
    Trial::shell("", script).run(ground).unwrap();
    let before = (Census::take(), anonymous_kib());
    let trials: Vec<_> = (0..AT_ONCE)
        .map(|number| match number % 2 {
            0 => Trial::shell("", script),
            _ => Trial::shell("read_only = false", script),
        })
        .collect();
    let kept: Vec<_> = trials
        .iter()
        .map(|trial| trial.namespaces(ground))
        .collect();
    let cgroups: Vec<_> = trials.iter().map(|trial| trial.cgroup(ground)).collect();
    let started: Vec<_> = trials
        .iter()
        .zip(kept.iter().zip(&cgroups))
        .map(|(trial, (kept, cgroup))| trial.start(ground, kept, cgroup.as_fd()).unwrap())
        .collect();
    let each = anonymous_kib().saturating_sub(before.1) / AT_ONCE;
    println!("{AT_ONCE} launches at once: {each} KiB of memory for each");
    for started in started {
        let ended = started.end().unwrap();
        assert_eq!(ended.output, "", "a place is mounted on twice");
    }
    for cgroup in &cgroups {
        cgroup.remove().expect("EBUSY: something is left in it");
    }
    drop((kept, cgroups, trials));
    assert_eq!(Census::left_since(&before.0), Vec::<String>::new());
    assert!(!has_children());
    assert!(each <= BUDGET_KIB, "{each} KiB for each launch");
}

/// Nothing of Orlop's stays beside the service's own process.
#[test]
fn a_running_service_has_no_companion() {
    let Some(ground) = ground() else { return };
    let _alone = alone();
    let trial = Trial::shell("", "exec sleep 600");
    let (kept, cgroup) = (trial.namespaces(ground), trial.cgroup(ground));
    let started = trial.start(ground, &kept, cgroup.as_fd()).unwrap();
    wait(started.as_fd());
    let children = format!("/proc/self/task/{}/children", nix::unistd::gettid());
    let children = fs::read_to_string(children).unwrap();
    let inside = fs::read_to_string(cgroup.path().join("cgroup.procs")).unwrap();
    assert_eq!(
        children.split_whitespace().collect::<Vec<_>>(),
        [inside.trim()]
    );
    assert_eq!(
        users_of_range(trial.base),
        1,
        "only its own process has its ids"
    );
    cgroup.kill().unwrap();
    reap_all();
    drop(started);
    cgroup.remove().unwrap();
}

/// RssAnon of this process (proc_pid_status(5)).
fn anonymous_kib() -> usize {
    let status = fs::read_to_string(Path::new("/proc/self/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .expect("a number of kB")
}
