//! What Compose's smaller keys come to: limits, settings, shared namespaces.

use nix::sched::CloneFlags;
use orlop_config::Ulimit;

use super::{inputs, mount_on, service, shape, steps, user};
use crate::exec::{ExecInputs, Program, plan_exec};
use crate::plan::{LaunchPlan, MountSource, PlanError, Step, plan};
use crate::user::UserError;

fn planned(manifest: &str) -> LaunchPlan {
    plan(&inputs(&service(manifest))).unwrap()
}

fn exec(manifest: &str) -> Vec<Step> {
    let service = service(manifest);
    let plan = plan_exec(&ExecInputs {
        service: &service,
        user: &user(&service).unwrap(),
        program: Program::MultiCall(&["probe"]),
        environment: &[].into(),
        working_dir: None,
    });
    plan.unwrap().process.steps
}

fn limits(steps: &[Step]) -> Vec<(&'static str, u64, u64)> {
    let limit = |step: &Step| match step {
        Step::Limit(Ulimit {
            name, soft, hard, ..
        }) => Some((*name, *soft, *hard)),
        _ => None,
    };
    steps.iter().filter_map(limit).collect()
}

fn written(steps: &[Step]) -> Vec<String> {
    let written = |step: &Step| match step {
        Step::WriteProc { file, value } => Some(format!(
            "{}={}",
            file.to_str().unwrap(),
            value.to_str().unwrap()
        )),
        _ => None,
    };
    steps.iter().filter_map(written).collect()
}

#[test]
fn limits_are_those_of_the_manifest_else_the_usual_ones() {
    assert_eq!(limits(&steps("")), [("nofile", 1024, 1024), ("core", 0, 0)]);
    let manifest = "ulimits = { nofile = { soft = 64, hard = 65536 }, nproc = -1 }";
    let wanted = [
        ("core", 0, 0),
        ("nofile", 64, 65_536),
        ("nproc", u64::MAX, u64::MAX),
    ];
    assert_eq!(limits(&steps(manifest)), wanted);
    assert_eq!(limits(&exec(manifest)), wanted);
}

/// Behind the user namespace no hard limit could be raised any more.
#[test]
fn limits_are_set_before_the_user_namespace_is_entered() {
    let before = |steps: &[Step], entry: &str| {
        let names = shape(steps);
        let at = |name: &str| names.iter().position(|other| other == name).unwrap();
        assert!(at("Limit") < at(entry), "{names:?}");
    };
    before(&steps(""), "EnterUser");
    before(&exec(""), "EnterProcess");
}

#[test]
fn a_readiness_descriptor_is_below_the_limit_of_open_files() {
    let manifest = "ulimits = { nofile = 64 }";
    let service = service(manifest);
    let of = |number| {
        plan(&super::LaunchInputs {
            ready_fd: Some(number),
            ..inputs(&service)
        })
    };
    assert!(of(63).is_ok());
    assert_eq!(
        of(64).unwrap_err(),
        PlanError::ReadyFd {
            number: 64,
            first: 3
        }
    );
}

#[test]
fn settings_are_written_in_its_own_namespaces_before_the_root_is_left() {
    let steps = steps(
        "oom_score_adj = -7\nsysctls = { \"net.ipv4.conf.eth0/1.forwarding\" = 1, \"kernel.sem\" = \"1 2 3 4\" }",
    );
    assert_eq!(
        written(&steps),
        [
            "self/oom_score_adj=-7",
            "sys/kernel/sem=1 2 3 4",
            "sys/net/ipv4/conf/eth0.1/forwarding=1",
        ]
    );
    let names = shape(&steps);
    let last = names.iter().rposition(|name| name == "WriteProc").unwrap();
    let at = |name: &str| names.iter().position(|other| other == name).unwrap();
    assert!(at("JoinNetwork") < last && last < at("PivotRoot"));
}

#[test]
fn who_is_killed_first_is_as_before_when_not_written() {
    let of = |manifest: &str| written(&steps(manifest));
    assert_eq!(of(""), ["self/oom_score_adj=0"]);
    assert_eq!(of("mem_limit = \"8m\""), ["self/oom_score_adj=-900"]);
    assert_eq!(
        written(&exec("oom_score_adj = 9")),
        ["self/oom_score_adj=9"]
    );
}

#[test]
fn shared_namespaces_are_not_made_anew() {
    let all = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    assert_eq!(planned("userns_mode = \"host\"").namespaces, all);
    for (key, flag) in [
        ("pid", CloneFlags::CLONE_NEWPID),
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ] {
        let plan = planned(&format!("userns_mode = \"host\"\n{key} = \"host\""));
        assert_eq!(plan.namespaces, all - flag, "{key}");
        let names_it = shape(&plan.steps).contains(&"Hostname".to_owned());
        assert_eq!(names_it, key != "uts", "the machine keeps its name");
    }
}

#[test]
fn shared_memory_is_as_large_as_asked_for() {
    let size = |manifest: &str| {
        let steps = steps(manifest);
        let mount = mount_on(&steps, "dev/shm").unwrap();
        let MountSource::Fresh { options, .. } = &mount.source else {
            panic!("{mount:?}");
        };
        let mut values = options.iter().filter(|(key, _)| key.as_c_str() == c"size");
        let (_, value) = values.next().unwrap().clone();
        value.unwrap().into_string().unwrap()
    };
    assert_eq!(size(""), "67108864");
    assert_eq!(size("shm_size = \"1g\""), "1073741824");
}

#[test]
fn a_privileged_service_gives_up_new_privileges_when_it_says_so() {
    let gives_up = |manifest: &str| steps(manifest).contains(&Step::NoNewPrivileges);
    assert!(!gives_up("privileged = true"));
    assert!(gives_up(
        "privileged = true\nsecurity_opt = [\"no-new-privileges:true\"]"
    ));
    assert!(gives_up(""));
}

#[test]
fn groups_are_added_to_those_of_the_user() {
    let service = service("user = \"www-data\"\ngroup_add = [\"video\", 7, \"root\", 33]");
    let mut user = user(&service).unwrap();
    user.add_groups(&service.group_add, "video:x:44:\n")
        .unwrap();
    assert_eq!((user.gid, user.groups.clone()), (33, vec![0, 7, 33, 44]));
    assert_eq!(
        user.add_groups(&service.group_add, ""),
        Err(UserError::NoSuchGroup("video".to_owned()))
    );
}
