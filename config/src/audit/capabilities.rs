//! Capabilities beyond what the isolation holds by itself (capabilities(7)).

use super::isolation::{held, speaks_under_false_addresses};
use super::{Found, Reach};
use crate::{Isolation, NetworkMode, Service, UsernsMode};

pub(super) fn look(service: &Service, found: &mut Found<'_>) {
    // What it holds is told once.
    if service.isolation == Isolation::Privileged {
        return;
    }
    let (held, expected) = held(service);
    let of_the_machine = service.userns_mode == UsernsMode::Host;
    for capability in held {
        if expected.contains(capability) {
            continue;
        }
        let name = capability.name();
        let short = name.strip_prefix("CAP_").unwrap_or(&name);
        let (reach, whose) = if of_the_machine {
            (Reach::Machine, "on the whole machine it")
        } else {
            (Reach::Itself, "within its own namespaces it")
        };
        let line = format!("cap_add = [\"{short}\"]");
        let of_the_network = matches!(short, "NET_ADMIN" | "NET_RAW");
        if !of_the_machine && of_the_network && speaks_under_false_addresses(service) {
            found.add(
                Reach::Services,
                line,
                format!(
                    "within its own network it may {}: on the bridge its neighbours take it for another service or for the machine, if it says so",
                    allows(short)
                ),
                instead(short),
            );
            continue;
        }
        let nothing = MACHINE_ONLY.contains(&short)
            || of_the_network && service.network_mode == NetworkMode::Host;
        if !of_the_machine && nothing {
            found.add(
                reach,
                line,
                "nothing: the kernel asks for it on the machine itself, and it counts in the service's user namespace only",
                "leave it out",
            );
            continue;
        }
        found.add(
            reach,
            line,
            format!("{whose} may {}", allows(short)),
            instead(short),
        );
    }
}

/// What the kernel asks the initial user namespace for (user_namespaces(7)), or that of the pid or IPC
/// namespace, which belong to the initial one too (adr/0002).
const MACHINE_ONLY: [&str; 22] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "IPC_LOCK",
    "IPC_OWNER",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "PERFMON",
    "SYSLOG",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_PACCT",
    "SYS_RAWIO",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

fn allows(name: &str) -> &'static str {
    match name {
        "AUDIT_CONTROL" | "AUDIT_READ" | "AUDIT_WRITE" => "read or write the kernel's audit log",
        "BLOCK_SUSPEND" | "WAKE_ALARM" => "keep the machine awake or wake it",
        "BPF" => "load BPF programs",
        "CHECKPOINT_RESTORE" => "choose process ids and read other processes' memory maps",
        "CHOWN" => "give any file to any user",
        "DAC_OVERRIDE" => "read and write any file whatever its mode",
        "DAC_READ_SEARCH" => "read any file whatever its mode",
        "FOWNER" | "FSETID" => "change modes and times of files of others",
        "IPC_LOCK" => "keep memory from being swapped out",
        "IPC_OWNER" => "use shared memory of others",
        "KILL" => "signal processes of other users",
        "LEASE" | "LINUX_IMMUTABLE" => "lease files and make them immutable",
        "MAC_ADMIN" | "MAC_OVERRIDE" => "change or pass over mandatory access control",
        "MKNOD" => "make device nodes",
        "NET_ADMIN" => "configure links, addresses, routes and firewall",
        "NET_BIND_SERVICE" => "listen on ports below 1024",
        "NET_BROADCAST" => "broadcast",
        "NET_RAW" => "send and receive raw packets, also under false addresses",
        "PERFMON" => "measure the performance of processes",
        "SETFCAP" | "SETPCAP" => "hand capabilities to files and processes",
        "SETGID" | "SETUID" => "become any user and group",
        "SYS_ADMIN" => {
            "mount file systems, do most of what has no capability of its own, and make a further user namespace, in which it holds every capability"
        }
        "SYS_BOOT" => "restart the machine",
        "SYS_CHROOT" => "change its root folder",
        "SYS_MODULE" => "load kernel modules",
        "SYS_NICE" => "choose processors, priorities and memory for processes of other users",
        "SYS_PACCT" => "account processes",
        "SYS_PTRACE" => "read and change the memory of processes of other users",
        "SYS_RAWIO" => "reach memory and ports of devices",
        "SYS_RESOURCE" => "pass over limits",
        "SYS_TIME" => "set the machine's clock",
        "SYS_TTY_CONFIG" => "configure terminals",
        "SYSLOG" => "read the kernel's messages",
        _ => "do what that capability stands for",
    }
}

fn instead(name: &str) -> &'static str {
    match name {
        "NET_BIND_SERVICE" => "leave it out: in a network of its own every port is free to it",
        "NET_RAW" => "leave it out, if it only pings: that needs no capability here",
        "CHOWN" | "DAC_OVERRIDE" | "FOWNER" | "FSETID" => {
            "leave it out, and let `build.directories` and volumes give the files to its user"
        }
        "SETGID" | "SETUID" => "leave it out, and start it as its `user` at once",
        "KILL" => "leave it out, if all its processes run as one user",
        _ => "leave it out, and see by `orlop logs` what it cannot do without",
    }
}
