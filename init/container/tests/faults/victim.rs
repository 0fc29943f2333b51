//! One whole launch, in a process whose system calls fail: what PID 1 does, and what it cleans up.

use std::fs;
use std::os::fd::AsFd;

use nix::sys::signal::{Signal, raise};
use orlop_container::cgroup::{Cgroup, Controller, Limit};
use orlop_container::devices::DeviceRules;
use orlop_container::launch::LaunchOutcome;
use orlop_container::namespaces::{Holder, KeptNamespaces};
use orlop_container::plan::FileBind;
use orlop_sys::error::chain;

use crate::census::{Census, has_children, reap_all, users_of_range};
use crate::ground::{Ground, Trial, ground, pipe_with, volume, wait};

/// Longer than any launch; then something waits for ever.
const HANG_SECONDS: u32 = 30;

/// Everything that a manifest can ask of a launch.
pub(crate) const MANIFESTS: [(&str, &str); 3] = [
    (
        "restricted",
        "user = \"probe\"\nhostname = \"victim\"\ncap_add = [\"NET_ADMIN\"]\ntmpfs = [\"/var/lib/probe\"]\n\
         devices = [\"/dev/zero:/dev/deep/grant:r\"]\ncommand = [\"/bin/busybox\", \"true\"]",
    ),
    (
        "overlay",
        "read_only = false\nnetwork_mode = \"none\"\ncommand = [\"busybox\", \"true\"]",
    ),
    (
        "settings",
        "sysctls = { \"net.core.somaxconn\" = 99, \"kernel.shmmni\" = 99 }\ngroup_add = [44]\noom_score_adj = 7\n\
         ulimits = { nofile = 64, nproc = { soft = 90, hard = 100 } }\nnetwork_mode = \"none\"\nuserns_mode = \"host\"\n\
         pid = \"host\"\nuts = \"host\"\ncgroup = \"host\"\ncommand = [\"busybox\", \"true\"]",
    ),
];

/// Launches once and prints what was said, then one line for each thing that was left.
pub(crate) fn run(which: &str) {
    nix::unistd::alarm::set(HANG_SECONDS);
    let mut go = String::new();
    std::io::stdin().read_line(&mut go).unwrap();
    let ground = ground().expect("root");
    let (_, manifest) = MANIFESTS.iter().find(|(name, _)| *name == which).unwrap();
    let data = volume(ground, &format!("faults-{}", std::process::id()));
    let hosts = ground.state.join("victim-hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    let passed = pipe_with(b"passed");
    let mut trial = Trial::new(manifest).volume(&data, "/volume", false);
    trial.listen = vec![("one".to_owned(), passed.as_fd())];
    trial.file_binds = vec![FileBind {
        source: hosts,
        target: "/etc/group".into(),
        required: true,
    }];
    let before = Census::take();
    let said = match attempt(ground, &trial) {
        Ok(()) => "executed".to_owned(),
        Err(said) => said,
    };
    let mut left = Census::left_since(&before);
    if has_children() {
        left.push("a child".to_owned());
    }
    if trial.cgroup_path(ground).exists() {
        left.push("the cgroup".to_owned());
    }
    let users = users_of_range(trial.base);
    if users > 0 {
        left.push(format!("{users} processes with its ids"));
    }
    println!("{said}");
    for thing in left {
        println!("LEFT {thing}");
    }
    fs::remove_dir_all(&data).unwrap();
}

/// The part that the tracer makes fail.
fn under_test<T>(part: impl FnOnce() -> T) -> T {
    raise(Signal::SIGSTOP).unwrap();
    let result = part();
    raise(Signal::SIGSTOP).unwrap();
    result
}

/// In the order of `init/src/running/launch.rs`; what was made is undone at the end as when the
/// service is no longer wanted.
fn attempt(ground: &Ground, trial: &Trial<'_>) -> Result<(), String> {
    // Of the limits a host has only those that need no controller.
    let limits = [Limit {
        controller: Some(Controller::Pids),
        file: "cgroup.max.descendants",
        value: "10".to_owned(),
        device: None,
    }];
    let path = trial.cgroup_path(ground);
    let (base, name) = (path.parent().unwrap(), path.file_name().unwrap());
    let cgroup = under_test(|| Cgroup::create(base, name.to_str().unwrap(), &limits))
        .map_err(|error| chain(&error))?;
    let result = in_cgroup(ground, trial, &cgroup);
    cgroup.kill().unwrap();
    reap_all();
    cgroup.remove().unwrap();
    result
}

fn in_cgroup(ground: &Ground, trial: &Trial<'_>, cgroup: &Cgroup) -> Result<(), String> {
    let rules = DeviceRules::of(&trial.service).expect("no manifest here is privileged");
    under_test(|| cgroup.restrict_devices(&rules)).map_err(|error| chain(&error))?;
    let holder = under_test(|| Holder::start(trial.namespace_spec(), ground.proc()));
    let holder = holder.map_err(|error| chain(&error))?;
    wait(holder.as_fd());
    let kept: KeptNamespaces = under_test(|| holder.finish()).map_err(|error| chain(&error))?;
    drop(holder);
    let null = fs::File::open("/dev/null").unwrap();
    let plan = trial.plan(ground);
    let (_output, writer) = std::io::pipe().unwrap();
    let fds = trial.fds(ground, &kept, cgroup.as_fd(), null.as_fd(), writer.as_fd());
    let launching = under_test(|| orlop_container::launch::launch(&plan, &fds));
    let launching = launching.map_err(|error| chain(&error))?;
    wait(launching.as_fd());
    match under_test(|| launching.outcome(&plan)) {
        LaunchOutcome::Executed => Ok(()),
        LaunchOutcome::Failed(failure) => Err(failure.to_string()),
        LaunchOutcome::Pending => Err("pending".to_owned()),
    }
}
