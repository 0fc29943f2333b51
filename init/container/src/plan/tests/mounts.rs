//! The root, what is mounted on it, and the nodes that are made in it.

use super::*;

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
