//! The program: who runs it, what it may, its environment and its descriptors.

use super::*;

#[test]
fn who_runs_and_what_it_may_are_decided_together() {
    let credentials = |manifest: &str| {
        steps(manifest).into_iter().find_map(|step| {
            if let Step::Credentials(who) = step {
                Some(who)
            } else {
                None
            }
        })
    };
    let nobody = Credentials {
        uid: 0,
        gid: 0,
        groups: vec![0],
        capabilities: 0,
        ambient: 0,
    };
    assert_eq!(credentials(""), Some(nobody));
    let www = Credentials {
        uid: 33,
        gid: 33,
        groups: vec![33],
        capabilities: 1 << 12 | 1 << 13,
        ambient: 1 << 12 | 1 << 13,
    };
    assert_eq!(
        credentials("user = \"www-data\"\ncap_add = [\"NET_ADMIN\", \"NET_RAW\"]"),
        Some(www)
    );
    assert_eq!(
        user(&service("user = \"nginx\"")),
        Err(UserError::NoSuchUser("nginx".to_owned()))
    );
}

/// Docker gives a user who is not root none in force of what it gives by itself.
#[test]
fn only_what_cap_add_names_is_ambient() {
    let ambient = |manifest: &str| {
        steps(manifest).into_iter().find_map(|step| match step {
            Step::Credentials(who) => Some((who.capabilities.count_ones(), who.ambient)),
            _ => None,
        })
    };
    for (manifest, expected) in [
        ("isolation = \"baseline\"", (14, 0)),
        ("isolation = \"baseline\"\nuser = \"1000\"", (14, 0)),
        (
            "isolation = \"baseline\"\nuser = \"1000\"\ncap_add = [\"CHOWN\", \"NET_ADMIN\"]",
            (15, 1 | 1 << 12),
        ),
        (
            "isolation = \"privileged\"\nuser = \"1000\"\ncap_add = [\"CHOWN\"]",
            (41, 1),
        ),
        (
            "user = \"1000\"\ncap_add = [\"NET_BIND_SERVICE\"]",
            (1, 1 << 10),
        ),
        ("cap_add = [\"NET_BIND_SERVICE\"]", (1, 0)),
        (
            "user = \"1000\"\ncap_add = [\"ALL\"]\ncap_drop = [\"CHOWN\"]",
            (40, (1 << 41) - 2),
        ),
    ] {
        assert_eq!(ambient(manifest), Some(expected), "{manifest}");
    }
}

#[test]
fn the_filter_is_the_one_of_the_capabilities_and_the_last_before_exec() {
    let plain = steps("");
    let [
        ..,
        Step::NoNewPrivileges,
        Step::Seccomp(filter),
        Step::Exec(_),
    ] = plain.as_slice()
    else {
        panic!("{:?}", shape(&plain));
    };
    let profile = seccomp::Profile::default();
    assert_eq!(*filter, seccomp::program(&profile));
    let baseline = steps("isolation = \"baseline\"");
    let profile = seccomp::Profile {
        capabilities: process::capability_set(&service("isolation = \"baseline\"").capabilities),
        families: seccomp::Families::Most,
        ..profile
    };
    assert!(baseline.contains(&Step::Seccomp(seccomp::program(&profile))));
    assert!(!plain.contains(&Step::Seccomp(seccomp::program(&profile))));
}

#[test]
fn a_readiness_descriptor_is_none_of_the_others() {
    let service = service("");
    let names = ["one".to_owned()];
    let with = |ready_fd| {
        plan(&LaunchInputs {
            listen_names: &names,
            ready_fd,
            ..inputs(&service)
        })
        .map(|plan| plan.ready_fd)
    };
    assert_eq!(with(None), Ok(None));
    assert_eq!(with(Some(4)), Ok(Some(4)));
    assert_eq!(with(Some(1023)), Ok(Some(1023)));
    for number in [0, 3, 1024, u32::MAX] {
        let error = PlanError::ReadyFd { number, first: 4 };
        assert_eq!(with(Some(number)), Err(error), "{number}");
    }
}

#[test]
fn a_service_that_notifies_finds_its_socket() {
    let service = service("");
    let plan = plan(&LaunchInputs {
        notify: Some(Notify {
            socket: Path::new("/run/orlop/notify/web.sock"),
            watchdog: Some(std::time::Duration::from_millis(1500)),
        }),
        ..inputs(&service)
    })
    .unwrap();
    let mount = mount_on(&plan.steps, "run/orlop/notify.sock").unwrap();
    assert!(
        matches!(&mount.source, MountSource::Machine { path, .. } if path.to_bytes() == b"/run/orlop/notify/web.sock")
    );
    assert_eq!(mount.missing, Missing::File);
    for entry in [
        c"NOTIFY_SOCKET=/run/orlop/notify.sock",
        c"WATCHDOG_USEC=1500000",
    ] {
        assert!(plan.envp.strings().iter().any(|found| **found == *entry));
    }
}

#[test]
fn the_program_is_looked_for_in_path_and_gets_its_environment() {
    let plan = plan(&LaunchInputs {
        listen_names: &["dhcp4.eth0".to_owned(), "udp4.eth0".to_owned()],
        ..inputs(&service(
            "user = \"www-data\"\nenvironment = { PATH = \"/opt/bin:relative:/bin\", A = \"b\" }",
        ))
    })
    .unwrap();
    assert_eq!(
        plan.argv.strings(),
        [
            c"nginx".to_owned(),
            c"-g".to_owned(),
            c"daemon off;".to_owned()
        ]
    );
    let environment: Vec<_> = plan
        .envp
        .strings()
        .iter()
        .map(|entry| entry.to_str().unwrap())
        .collect();
    let expected = [
        "A=b",
        "HOME=/var/www",
        "LISTEN_FDNAMES=dhcp4.eth0:udp4.eth0",
        "LISTEN_FDS=2",
        "LISTEN_PID=1",
        "PATH=/opt/bin:relative:/bin",
    ];
    assert_eq!(environment, expected);
    assert_eq!(
        plan.steps.last(),
        Some(&Step::Exec(vec![
            c"/opt/bin/nginx".to_owned(),
            c"/bin/nginx".to_owned()
        ]))
    );
    assert_eq!(plan.listen_count, 2);
}

#[test]
fn init_runs_the_command_behind_two_dashes() {
    let plan = plan(&inputs(&service("init = true"))).unwrap();
    let words: Vec<_> = plan
        .argv
        .strings()
        .iter()
        .map(|word| word.to_str().unwrap())
        .collect();
    assert_eq!(words, ["init", "--", "nginx", "-g", "daemon off;"]);
    assert_eq!(plan.steps.last(), Some(&Step::ExecMultiCall));
}
