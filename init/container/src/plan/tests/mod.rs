mod settings;

use std::ffi::CStr;
use std::path::PathBuf;

use orlop_config::{Service, ServiceName, SourceFile, Sources, Ulimit, check};
use orlop_sys::mount_api::MountFlags;

use super::mount::READ_ONLY;
use super::*;
use crate::seccomp;
use crate::user::{User, UserError, resolve};

const BASE: u32 = 655_360;

fn service(manifest: &str) -> Service {
    let text =
        format!("image = \"web\"\ncommand = [\"nginx\", \"-g\", \"daemon off;\"]\n{manifest}");
    let file = SourceFile {
        path: "service.toml".to_owned(),
        text,
    };
    let sources = Sources {
        services: [("web".to_owned(), file)].into(),
        images: ["web".to_owned()].into(),
        ..Sources::default()
    };
    let mut checked = check(&sources);
    let name = ServiceName::new("web").unwrap();
    checked
        .services
        .remove(&name)
        .unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

fn user(service: &Service) -> Result<User, UserError> {
    let passwd = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n";
    resolve(&service.user, passwd, "")
}

fn inputs(service: &Service) -> LaunchInputs<'_> {
    LaunchInputs {
        service,
        rootfs: Path::new("/images/web"),
        staging: Path::new("/run/orlop/staging"),
        user: Box::leak(Box::new(user(service).unwrap())),
        id_base: BASE,
        volumes: &[],
        file_binds: &[],
        control_socket: None,
        listen_names: &[],
        ready_fd: None,
        notify: None,
    }
}

fn steps(manifest: &str) -> Vec<Step> {
    plan(&inputs(&service(manifest))).unwrap().steps
}

/// The variant's name of each step, repeats once.
fn shape(steps: &[Step]) -> Vec<String> {
    let name = |step: &Step| {
        format!("{step:?}")
            .split([' ', '(', '{'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let mut names: Vec<_> = steps.iter().map(name).collect();
    names.dedup();
    names
}

fn mount_on<'a>(steps: &'a [Step], target: &str) -> Option<&'a Mount> {
    steps.iter().find_map(|step| match step {
        Step::Mount(mount) if mount.target.to_bytes() == target.as_bytes() => Some(mount),
        _ => None,
    })
}

#[test]
fn a_restricted_launch_has_these_steps_in_this_order() {
    let expected = "ResetSignals NewSession Umask WriteProc PrivateMounts JoinNetwork Hostname OpenNull AttachRoot \
        Mount Node Directory Symlink Mount MakeReadOnly Mount Mask ReadOnlyPath PivotRoot Limit EnterUser Credentials \
        Umask WorkingDir Descriptors NoNewPrivileges Seccomp Exec";
    assert_eq!(
        shape(&steps("")),
        expected.split_whitespace().collect::<Vec<_>>()
    );
}

#[test]
fn r06_a_sysctl_stays_in_its_family_whatever_the_check_let_through() {
    let mut service = service("");
    for name in ["net.//.kernel.core_pattern", "net/ipv4", "net..ipv4"] {
        service.sysctls = [(name.to_owned(), "1".to_owned())].into();
        let refused = plan(&inputs(&service));
        let climbs = name != "net/ipv4";
        assert_eq!(refused.is_err(), climbs, "{name}");
    }
}

#[test]
fn a_domain_name_is_set_beside_the_hostname() {
    let steps = steps("domainname = \"example.org\"");
    let at = steps
        .iter()
        .position(|step| *step == Step::Hostname("web".to_owned()));
    let domain = Step::Domainname("example.org".to_owned());
    assert_eq!(steps.get(at.unwrap() + 1), Some(&domain));
}

#[test]
fn a_file_of_the_manifest_goes_before_the_machines() {
    let file = |name: &str| FileBind {
        source: PathBuf::from("/run/orlop").join(name),
        target: PathBuf::from("/etc").join(name),
        required: false,
    };
    let own = ResolvedVolume {
        name: None,
        source: PathBuf::from("/etc/orlop/services/web/hosts"),
        target: PathBuf::from("/etc/hosts"),
        read_only: true,
        idmap: true,
    };
    let service = service("");
    let (files, volumes) = ([file("hosts"), file("resolv.conf")], [own]);
    let with = |volumes| {
        let inputs = LaunchInputs {
            file_binds: &files,
            volumes,
            ..inputs(&service)
        };
        let steps = plan(&inputs).unwrap().steps;
        let on_hosts = steps.iter().filter_map(|step| match step {
            Step::Mount(mount) if mount.target.as_c_str() == c"etc/hosts" => Some(mount),
            _ => None,
        });
        let sources: Vec<_> = on_hosts.map(|mount| mount.source.clone()).collect();
        assert!(mount_on(&steps, "etc/resolv.conf").is_some());
        sources
    };
    let of = |sources: &[MountSource]| match sources {
        [MountSource::Machine { path, .. }] => path.to_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&with(&[])), "/run/orlop/hosts");
    assert_eq!(of(&with(&volumes)), "/etc/orlop/services/web/hosts");
}

#[test]
fn a_privileged_launch_leaves_out_what_it_is_privileged_of() {
    let privileged = steps("isolation = \"privileged\"");
    let left_out = [
        "JoinUser",
        "EnterUser",
        "NoNewPrivileges",
        "Seccomp",
        "Mask",
        "ReadOnlyPath",
        "Node",
        "MakeReadOnly",
    ];
    assert!(
        shape(&privileged)
            .iter()
            .all(|name| !left_out.contains(&name.as_str())),
        "{:?}",
        shape(&privileged)
    );
    let root = privileged.iter().find_map(|step| {
        if let Step::AttachRoot(root) = step {
            Some(root)
        } else {
            None
        }
    });
    assert!(
        root.is_some_and(|root| !root.idmap && root.overlay.is_some()),
        "{root:?}"
    );
}

#[test]
fn isolation_decides_the_root() {
    let attach = |manifest: &str| {
        steps(manifest)
            .into_iter()
            .find(|step| matches!(step, Step::AttachRoot(_)))
    };
    let root = RootMount {
        image: c"/images/web".to_owned(),
        staging: c"/run/orlop/staging".to_owned(),
        idmap: true,
        overlay: None,
    };
    assert_eq!(attach(""), Some(Step::AttachRoot(root.clone())));
    assert_eq!(
        attach("userns_mode = \"host\""),
        Some(Step::AttachRoot(RootMount {
            idmap: false,
            ..root.clone()
        }))
    );
    let at = "/run/orlop/staging";
    let options = format!("lowerdir={at}/lower,upperdir={at}/upper,workdir={at}/work");
    let overlay = Overlay {
        options: CString::new(options).unwrap(),
        merged: c"/run/orlop/staging/merged".to_owned(),
    };
    assert_eq!(
        attach("isolation = \"baseline\""),
        Some(Step::AttachRoot(RootMount {
            overlay: Some(overlay),
            ..root
        }))
    );
}

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
fn no_link_is_followed_on_the_way_through_a_volume() {
    let service = service("tmpfs = [\"/srv/x/y\", \"/tmp/deep\", \"/srvx\"]");
    let volume = |target: &str| ResolvedVolume {
        name: Some("data".to_owned()),
        source: "/state/data".into(),
        target: target.into(),
        read_only: false,
        idmap: true,
    };
    let volumes = ["/srv/x", "/srv", "/run"].map(volume);
    let steps = plan(&LaunchInputs {
        volumes: &volumes,
        control_socket: Some(Path::new("/run/socket")),
        ..inputs(&service)
    })
    .unwrap()
    .steps;
    for (target, links) in [
        ("srv", Links::Followed),
        ("srv/x", Links::Refused),
        ("srv/x/y", Links::Refused),
        ("srvx", Links::Followed),
        ("run", Links::Followed),
        ("run/orlop/control.sock", Links::Refused),
        ("tmp/deep", Links::Followed),
    ] {
        let mount = mount_on(&steps, target).unwrap();
        assert_eq!(mount.links, links, "{target}");
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

#[test]
fn mounts_come_after_what_they_lie_in() {
    let service = service("tmpfs = [\"/run:size=1m,mode=755\"]\nuser = \"www-data\"");
    let volume = |source: &str, target: &str, read_only| ResolvedVolume {
        name: None,
        source: PathBuf::from(source),
        target: PathBuf::from(target),
        read_only,
        idmap: true,
    };
    let volumes = [
        volume("/state/volumes/deep", "/run/a/b", false),
        volume("/etc/orlop/services/web/html", "/a", true),
    ];
    let plan = plan(&LaunchInputs {
        volumes: &volumes,
        control_socket: Some(Path::new("/run/orlop/control/web.sock")),
        ..inputs(&service)
    })
    .unwrap();
    let targets: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| {
            if let Step::Mount(mount) = step {
                mount.target.to_str().ok()
            } else {
                None
            }
        })
        .collect();
    let expected = [
        "proc",
        "sys",
        "sys/fs/cgroup",
        "dev",
        "dev/pts",
        "dev/shm",
        "dev/mqueue",
        "a",
        "run",
        "run/a/b",
        "run/orlop/control.sock",
        "tmp",
    ];
    assert_eq!(targets, expected);
    let source = MountSource::Machine {
        path: c"/etc/orlop/services/web/html".to_owned(),
        volume: None,
        recursive: false,
        idmap: true,
        adopt_owner: false,
    };
    let flags = MountFlags {
        read_only: true,
        nosuid: true,
        nodev: true,
        noexec: false,
    };
    let expected = Mount {
        source,
        target: c"a".to_owned(),
        flags,
        missing: Missing::Directory,
        links: Links::Followed,
    };
    assert_eq!(mount_on(&plan.steps, "a"), Some(&expected));
    // The manifest's own tmpfs stands in for the default one, which would be the user's.
    let run = mount_on(&plan.steps, "run").unwrap();
    assert!(
        format!("{run:?}").contains("1048576") && format!("{run:?}").contains(&format!("{BASE:?}")),
        "{run:?}"
    );
}

#[test]
fn a_granted_device_is_a_fresh_node_of_the_user_with_the_bits_granted() {
    let steps = steps("user = \"www-data\"\ndevices = [\"/dev/net/tun:/dev/net/tun:rw\"]");
    let place = |parent: &CStr, name: &CStr, uid| Place {
        parent: parent.to_owned(),
        name: name.to_owned(),
        uid,
        gid: uid,
    };
    let directory = Step::Directory(place(c"dev", c"net", BASE));
    let node = Step::Node {
        path: place(c"dev/net", c"tun", BASE + 33),
        device: Device::SameAs(c"/dev/net/tun".to_owned()),
        mode: 0o660,
    };
    assert!(
        steps
            .windows(2)
            .any(|pair| pair == [directory.clone(), node.clone()]),
        "{steps:#?}"
    );
}

#[test]
fn paths_that_climb_and_nul_bytes_are_refused() {
    let service = service("");
    let climbing = [ResolvedVolume {
        name: None,
        source: PathBuf::from("/state/volumes/../secret"),
        target: PathBuf::from("/a"),
        read_only: false,
        idmap: true,
    }];
    let error = plan(&LaunchInputs {
        volumes: &climbing,
        ..inputs(&service)
    })
    .unwrap_err();
    assert_eq!(
        error,
        PlanError::Path {
            key: "source",
            path: "/state/volumes/../secret".to_owned()
        }
    );
    let mut with_nul = service.clone();
    with_nul.command = vec!["a\0b".to_owned()];
    assert_eq!(
        plan(&inputs(&with_nul)).unwrap_err(),
        PlanError::Nul("command")
    );
    let mut nothing = service;
    nothing.command.clear();
    assert_eq!(plan(&inputs(&nothing)).unwrap_err(), PlanError::NoCommand);
}

/// The table of `docs/isolation.md`.
#[test]
fn paths_limits_and_privileges_are_the_stricter_of_dockers_and_containerds() {
    let path = |name: &str| CString::new(name).unwrap();
    let hidden = [
        "proc/acpi",
        "proc/asound",
        "proc/kcore",
        "proc/keys",
        "proc/latency_stats",
        "proc/sched_debug",
        "proc/scsi",
        "proc/timer_list",
        "proc/timer_stats",
        "sys/devices/virtual/powercap",
        "sys/firmware",
    ];
    let read_only = [
        "proc/bus",
        "proc/fs",
        "proc/irq",
        "proc/sys",
        "proc/sysrq-trigger",
    ];
    for manifest in [
        "",
        "isolation = \"baseline\"",
        "cap_add = [\"ALL\"]",
        "userns_mode = \"host\"",
    ] {
        let steps = steps(manifest);
        for name in hidden {
            assert!(
                steps.contains(&Step::Mask(path(name))),
                "{manifest}: {name}"
            );
        }
        for name in read_only {
            assert!(
                steps.contains(&Step::ReadOnlyPath(path(name))),
                "{manifest}: {name}"
            );
        }
        for limit in [
            Step::Limit(Ulimit::NOFILE.at(1024, 1024)),
            Step::Limit(Ulimit::CORE.at(0, 0)),
            Step::NoNewPrivileges,
        ] {
            assert!(steps.contains(&limit), "{manifest}: {limit:?}");
        }
        for target in ["sys", "sys/fs/cgroup"] {
            let mount = mount_on(&steps, target).unwrap();
            assert_eq!(mount.flags, READ_ONLY, "{manifest}: {target}");
        }
    }
}
