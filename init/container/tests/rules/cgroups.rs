//! Cgroups: what a container can do with its own, and what is left of one.

use std::fs;

use orlop_container::cgroup::{Cgroup, CgroupError};
use orlop_container::weaken::{Rule, without};

use crate::attack::{end, ground, output, sleeper};
use crate::ground::Trial;

/// Root of the machine's own user namespace, without capabilities: file modes stop nobody here.
#[test]
fn r11_a_container_sees_its_own_cgroup_and_cannot_leave_it() {
    let script = "cat /proc/self/cgroup; echo $$ > /sys/fs/cgroup/cgroup.procs && echo LEFT; \
        cat /proc/self/cgroup; true";
    let trial = Trial::shell("userns_mode = \"host\"", script);
    let guarded = output(&trial);
    assert!(!guarded.contains("LEFT"), "{guarded}");
    assert!(guarded.contains("Read-only file system"), "{guarded}");
    assert!(
        guarded.contains("0::/\n") && !guarded.contains("orlop-test-"),
        "{guarded}"
    );
    let attacked = without(Rule::R11, || output(&trial));
    let (before, after) = attacked
        .split_once("LEFT")
        .unwrap_or_else(|| panic!("{attacked}"));
    assert!(before.contains("0::/orlop-test-"), "{attacked}");
    assert!(after.contains("0::/\n"), "{attacked}");
}

/// Only the first cgroup namespace can make a v1 hierarchy, and only the machine's root can mount one
/// that there is: the machine has none (qemu-tests/tests/isolation.rs), this host may.
#[test]
fn r12_no_cgroup_v1() {
    let mount =
        |options: &str| format!("mount -t cgroup -o {options} c /tmp && ls /tmp && umount /tmp; ");
    let tried = [mount("none,name=orlop-r12"), mount("pids"), mount("memory")].concat();
    let own = format!("{tried} unshare -C sh -c '{tried}'");
    let admin = output(&Trial::shell("cap_add = [\"SYS_ADMIN\"]", &own));
    assert!(!admin.contains("release_agent"), "{admin}");
    let privileged = "isolation = \"privileged\"\ncap_drop = [\"SYS_RESOURCE\"]";
    let made = output(&Trial::shell(privileged, &mount("none,name=orlop-r12")));
    assert!(!made.contains("release_agent"), "{made}");
    // Without a cgroup namespace of its own it makes one, and with it the file that starts programs.
    let made = Trial::shell(privileged, &mount("none,name=orlop-r12"));
    let made = without(Rule::R11, || output(&made));
    assert!(made.contains("release_agent"), "{made}");
}

#[test]
fn edge_46_what_the_main_process_leaves_behind_is_reached() {
    let ground = ground();
    let trial = Trial::shell(
        "",
        "(sleep 1000 <&- >&- 2>&-) & (trap '' TERM; sleep 1000 <&- >&- 2>&-) & exit 3",
    );
    let (kept, cgroup) = (trial.namespaces(ground), trial.cgroup(ground));
    trial.run_in(ground, &kept, &cgroup).unwrap();
    // Process 1 of a pid namespace takes all others with it: it was reaped, so they are gone.
    assert!(!cgroup.is_populated().unwrap());
    cgroup.remove().unwrap();
}

#[test]
fn edge_47_a_frozen_cgroup_is_killed() {
    let ground = ground();
    let trial = Trial::shell("", "echo started; exec sleep 1000");
    let (kept, cgroup) = (trial.namespaces(ground), trial.cgroup(ground));
    let running = sleeper(&trial, &kept, &cgroup);
    let nested = cgroup.path().join("nested");
    fs::create_dir(&nested).unwrap();
    let pids = fs::read_to_string(cgroup.path().join("cgroup.procs")).unwrap();
    fs::write(nested.join("cgroup.procs"), pids.trim()).unwrap();
    fs::write(nested.join("cgroup.freeze"), "1").unwrap();
    cgroup.kill().unwrap();
    end(running, &cgroup);
    cgroup.remove().unwrap();
    assert!(!cgroup.path().exists());
}

#[test]
fn edge_49_a_cgroup_that_is_in_use_is_never_taken_over() {
    let ground = ground();
    let trial = Trial::shell("", "echo started; exec sleep 1000");
    let (kept, cgroup) = (trial.namespaces(ground), trial.cgroup(ground));
    let name = cgroup
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let running = sleeper(&trial, &kept, &cgroup);
    let refused = Cgroup::create(&ground.cgroups, &name, &[]).unwrap_err();
    assert!(matches!(refused, CgroupError::InUse { .. }), "{refused}");
    cgroup.kill().unwrap();
    end(running, &cgroup);
    // An empty one that was left behind, with what a former life set, is made anew.
    fs::create_dir(cgroup.path().join("nested")).unwrap();
    fs::write(cgroup.path().join("cgroup.max.depth"), "3").unwrap();
    let taken = Cgroup::create(&ground.cgroups, &name, &[]).unwrap();
    assert!(!taken.path().join("nested").exists());
    let depth = fs::read_to_string(taken.path().join("cgroup.max.depth")).unwrap();
    assert_eq!(depth, "max\n");
    taken.remove().unwrap();
}
