//! A launch as a whole; below, its parts.

mod mounts;
mod program;
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
