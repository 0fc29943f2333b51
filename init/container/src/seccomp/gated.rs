//! Calls that a capability opens or that an argument decides: moby's profile with the stricter of two
//! answers where containerd or the rules differ. ptrace, and reading another's memory, need
//! CAP_SYS_PTRACE here; statmount(2) and listmount(2) CAP_SYS_ADMIN.

use orlop_sys::credentials::CapabilitySet;

use super::rule::{Action, Comparison, Condition, Rule, Verdict};

/// What happens without the capability.
#[derive(Debug, Clone, Copy)]
pub(super) enum Without {
    /// This.
    Always(Verdict<'static>),
    /// Socket families decide: see [`super::Families`].
    Families,
}

/// One such call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gated {
    pub(super) name: &'static str,
    /// Any of these capabilities opens it.
    pub(super) opened_by: CapabilitySet,
    pub(super) without: Without,
}

const fn denied(name: &'static str, opened_by: CapabilitySet) -> Gated {
    let without = Without::Always(Verdict::always(Action::DENIED));
    Gated {
        name,
        opened_by,
        without,
    }
}

/// As if the kernel did not have it: the filter cannot see what it would have to (R20).
const fn missing(name: &'static str, opened_by: CapabilitySet) -> Gated {
    let without = Without::Always(Verdict::always(Action::MISSING));
    Gated {
        name,
        opened_by,
        without,
    }
}

const fn ruled(
    name: &'static str,
    opened_by: CapabilitySet,
    rules: &'static [Rule<'static>],
    otherwise: Action,
) -> Gated {
    let without = Without::Always(Verdict { rules, otherwise });
    Gated {
        name,
        opened_by,
        without,
    }
}

const fn families(name: &'static str) -> Gated {
    Gated {
        name,
        opened_by: 0,
        without: Without::Families,
    }
}

/// By name.
#[rustfmt::skip]
pub(super) const GATED: &[Gated] = &[
    denied("acct", SYS_PACCT),
    denied("bpf", SYS_ADMIN | BPF),
    denied("chroot", SYS_CHROOT),
    denied("clock_settime", SYS_TIME),
    denied("clock_settime64", SYS_TIME),
    ruled("clone", SYS_ADMIN, NO_NAMESPACES, Action::DENIED),
    missing("clone3", SYS_ADMIN),
    denied("delete_module", SYS_MODULE),
    denied("fanotify_init", SYS_ADMIN),
    denied("finit_module", SYS_MODULE),
    denied("fsconfig", SYS_ADMIN),
    denied("fsmount", SYS_ADMIN),
    denied("fsopen", SYS_ADMIN),
    denied("fspick", SYS_ADMIN),
    denied("get_mempolicy", SYS_NICE),
    denied("init_module", SYS_MODULE),
    ruled("ioctl", 0, NO_INPUT_TO_TERMINALS, Action::Allow),
    denied("ioperm", SYS_RAWIO),
    denied("iopl", SYS_RAWIO),
    denied("kcmp", SYS_PTRACE),
    denied("listmount", SYS_ADMIN),
    denied("mbind", SYS_NICE),
    denied("mount", SYS_ADMIN),
    denied("mount_setattr", SYS_ADMIN),
    denied("move_mount", SYS_ADMIN),
    denied("open_by_handle_at", DAC_READ_SEARCH),
    denied("open_tree", SYS_ADMIN),
    denied("open_tree_attr", SYS_ADMIN),
    denied("perf_event_open", SYS_ADMIN | PERFMON),
    ruled("personality", 0, PLAIN_PERSONALITIES, Action::DENIED),
    denied("pidfd_getfd", SYS_PTRACE),
    denied("pivot_root", SYS_ADMIN),
    denied("process_madvise", SYS_PTRACE),
    denied("process_vm_readv", SYS_PTRACE),
    denied("process_vm_writev", SYS_PTRACE),
    denied("ptrace", SYS_PTRACE),
    denied("quotactl", SYS_ADMIN),
    denied("quotactl_fd", SYS_ADMIN),
    denied("reboot", SYS_BOOT),
    denied("set_mempolicy", SYS_NICE),
    denied("set_mempolicy_home_node", SYS_NICE),
    denied("setdomainname", SYS_ADMIN),
    denied("sethostname", SYS_ADMIN),
    denied("setns", SYS_ADMIN),
    denied("settimeofday", SYS_TIME),
    families("socket"),
    // The family is behind a pointer, which a filter cannot follow.
    missing("socketcall", 0),
    families("socketpair"),
    denied("statmount", SYS_ADMIN),
    denied("stime", SYS_TIME),
    denied("syslog", SYS_ADMIN | SYSLOG),
    denied("umount", SYS_ADMIN),
    denied("umount2", SYS_ADMIN),
    denied("unshare", SYS_ADMIN),
    denied("vhangup", SYS_TTY_CONFIG),
];

/// As the kernel reads an int.
const fn int(argument: u8, value: u64) -> Condition {
    let mask = 0xFFFF_FFFF;
    Condition {
        argument,
        comparison: Comparison::MaskedEq { mask, value },
    }
}

const fn allow(conditions: &'static [Condition]) -> Rule<'static> {
    let action = Action::Allow;
    Rule { conditions, action }
}

const fn deny(conditions: &'static [Condition]) -> Rule<'static> {
    let action = Action::DENIED;
    Rule { conditions, action }
}

const fn no_such_family(conditions: &'static [Condition]) -> Rule<'static> {
    let action = Action::Errno(EAFNOSUPPORT);
    Rule { conditions, action }
}

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET are all unset.
const NO_NAMESPACES: &[Rule<'static>] = &[allow(&[Condition {
    argument: 0,
    comparison: Comparison::MaskedEq {
        mask: 0x7E02_0000,
        value: 0,
    },
}])];

/// TIOCSTI and TIOCLINUX type into whatever reads the terminal next (rule R15).
const NO_INPUT_TO_TERMINALS: &[Rule<'static>] = &[deny(&[int(1, 0x5412)]), deny(&[int(1, 0x541C)])];

/// Linux, Linux with 32-bit addresses, both without UNAME26 too, and the question what it is.
#[rustfmt::skip]
const PLAIN_PERSONALITIES: &[Rule<'static>] = &[
    allow(&[int(0, 0)]),
    allow(&[int(0, 8)]),
    allow(&[int(0, 0x2_0000)]),
    allow(&[int(0, 0x2_0008)]),
    allow(&[int(0, 0xFFFF_FFFF)]),
];

/// Unix, IPv4, IPv6, netlink; and packet, for which the kernel itself asks for CAP_NET_RAW.
#[rustfmt::skip]
pub(super) const USUAL_FAMILIES: Verdict<'static> = Verdict {
    rules: &[
        allow(&[int(0, 1)]),
        allow(&[int(0, 2)]),
        allow(&[int(0, 10)]),
        allow(&[int(0, 16)]),
        allow(&[int(0, 17)]),
    ],
    otherwise: Action::Errno(EAFNOSUPPORT),
};

/// All but ALG (CVE-2026-31431) and VSOCK (the hypervisor, past every network namespace).
pub(super) const MOST_FAMILIES: Verdict<'static> = Verdict {
    rules: &[no_such_family(&[int(0, 38)]), no_such_family(&[int(0, 40)])],
    otherwise: Action::Allow,
};

const EAFNOSUPPORT: u16 = 97;

// By number in linux/capability.h.
const DAC_READ_SEARCH: CapabilitySet = 1 << 2;
const SYS_MODULE: CapabilitySet = 1 << 16;
const SYS_RAWIO: CapabilitySet = 1 << 17;
const SYS_CHROOT: CapabilitySet = 1 << 18;
const SYS_PTRACE: CapabilitySet = 1 << 19;
const SYS_PACCT: CapabilitySet = 1 << 20;
const SYS_ADMIN: CapabilitySet = 1 << 21;
const SYS_BOOT: CapabilitySet = 1 << 22;
const SYS_NICE: CapabilitySet = 1 << 23;
const SYS_TIME: CapabilitySet = 1 << 25;
const SYS_TTY_CONFIG: CapabilitySet = 1 << 26;
const SYSLOG: CapabilitySet = 1 << 34;
const PERFMON: CapabilitySet = 1 << 38;
const BPF: CapabilitySet = 1 << 39;
