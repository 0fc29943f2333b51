//! The large ones: what leaves a namespace, the root file system, the user.

use super::{Found, Reach};
use crate::{Capability, Isolation, NetworkMode, Service, UsernsMode};

pub(super) fn look(service: &Service, found: &mut Found<'_>) {
    let users_of_the_machine = service.userns_mode == UsernsMode::Host;
    match service.isolation {
        Isolation::Restricted => {}
        Isolation::Baseline => {
            let (reach, allows) = if !is_root(service) {
                (
                    Reach::Itself,
                    "it has a root file system that it can write, as far as its user may; Docker's fourteen capabilities count for root only",
                )
            } else if users_of_the_machine {
                (
                    Reach::Machine,
                    "it holds Docker's fourteen capabilities on the whole machine, and a root file system that it can write",
                )
            } else if speaks_under_false_addresses(service) {
                (
                    Reach::Services,
                    "it holds Docker's fourteen capabilities in its own user namespace, NET_RAW for the bridge of all services among them, and a root file system that it can write",
                )
            } else {
                (
                    Reach::Itself,
                    "it holds Docker's fourteen capabilities in its own user namespace, and a root file system that it can write",
                )
            };
            found.add(
                reach,
                "isolation = \"baseline\"",
                allows,
                "leave `isolation` out, and name in cap_add and tmpfs what it needs of that",
            );
        }
        Isolation::Privileged => found.add(
            Reach::Machine,
            "isolation = \"privileged\"",
            "it is the machine's root with every capability and device and without a filter: it can do whatever PID 1 can",
            "leave `isolation` out, and name in cap_add and devices what it needs",
        ),
    }
    let privileged = service.isolation == Isolation::Privileged;
    if users_of_the_machine && !privileged {
        found.add(
            Reach::Machine,
            "userns_mode = \"host\"",
            "its users are the machine's: whatever file or process of the machine it reaches, its root owns",
            "leave `userns_mode` out: 65,536 ids of its own",
        );
    }
    if service.network_mode == NetworkMode::Host {
        found.add(
            Reach::Machine,
            "network_mode = \"host\"",
            "it speaks on every network of the machine, and to whatever listens there on 127.0.0.1 only",
            "network_mode = \"bridge\", with `ports` for what is to be reached from outside",
        );
    }
    for (shared, key, allows) in [
        (
            service.host_namespaces.pid,
            "pid",
            "it sees every process of the machine, and its root may signal and trace them",
        ),
        (
            service.host_namespaces.ipc,
            "ipc",
            "it shares System V memory and message queues with the machine's other users of them",
        ),
        (
            service.host_namespaces.uts,
            "uts",
            "with CAP_SYS_ADMIN it can rename the machine",
        ),
        (
            service.host_namespaces.cgroup,
            "cgroup",
            "it sees the cgroups of all services, with what each of them uses",
        ),
    ] {
        if shared {
            found.add(
                Reach::Machine,
                format!("{key} = \"host\""),
                allows,
                format!("leave `{key}` out: a namespace of its own"),
            );
        }
    }
    for device in &service.devices {
        let (source, target) = (device.source.display(), device.target.display());
        let (verb, permissions, stricter) = match (device.read, device.write) {
            (true, true) => ("reads and writes", "rw", true),
            (true, false) => ("reads", "r", false),
            _ => ("writes", "w", false),
        };
        let instead = if stricter {
            format!("devices = [\"{source}:{target}:r\"], if it only reads")
        } else {
            format!("leave {source} out, if it can do without")
        };
        found.add(
            Reach::Machine,
            format!("devices = [\"{source}:{target}:{permissions}\"]"),
            format!("it {verb} the machine's {source}, past every file's owner and mode"),
            instead,
        );
    }
    if !service.read_only && service.isolation == Isolation::Restricted {
        found.add(
            Reach::Itself,
            "read_only = false",
            "who takes it over can change its programs until it is started again, and fill the machine's memory with files",
            "leave `read_only` out, and name the folders that it writes in tmpfs or volumes",
        );
    }
    if is_root(service) && !privileged {
        let (reach, allows) = match users_of_the_machine {
            true => (
                Reach::Machine,
                "it is the machine's root, with the capabilities that it was given",
            ),
            false => (
                Reach::Itself,
                "it is root of its own user namespace: every file of its image and volumes is its own",
            ),
        };
        found.add(
            reach,
            "user = \"root\" (the default)",
            allows,
            "user = \"name\", a user that its image has or `build.users` declares",
        );
    }
}

/// Whether the manifest says so: the image's users are not looked at.
fn is_root(service: &Service) -> bool {
    matches!(service.user.user.as_str(), "root" | "0")
}

/// What its user holds, and what of that the isolation gives by itself.
pub(super) fn held(service: &Service) -> (&[Capability], Vec<Capability>) {
    match service.isolation {
        _ if !is_root(service) => (&service.added_capabilities, Vec::new()),
        Isolation::Restricted => (&service.capabilities, Vec::new()),
        Isolation::Baseline => (&service.capabilities, Capability::baseline().collect()),
        Isolation::Privileged => (&service.capabilities, Capability::all().collect()),
    }
}

/// The bridge is one link: who makes raw packets there, or chooses an address, is taken for another
/// service by its neighbours.
pub(super) fn speaks_under_false_addresses(service: &Service) -> bool {
    let holds = |name: &str| {
        held(service)
            .0
            .iter()
            .any(|capability| capability.name() == name)
    };
    service.network_mode == NetworkMode::Bridge && (holds("CAP_NET_RAW") || holds("CAP_NET_ADMIN"))
}
