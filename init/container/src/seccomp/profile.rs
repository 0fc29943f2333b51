//! What is allowed: moby's profiles/seccomp/default.json as of 2024, x86-64 only; ptrace and
//! reading another's memory need CAP_SYS_PTRACE here.

use orlop_sys::credentials::CapabilitySet;

use super::syscalls::SYSCALLS;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It runs.
    Allow,
    /// EPERM: the kernel has it and the service may not.
    Deny,
    /// ENOSYS: as if the kernel did not have it.
    Unknown,
    /// It depends on an argument (its lower 32 bits: none of these takes more).
    Argument(ArgumentRule),
}

/// A condition on one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgumentRule {
    /// Allowed unless one of these bits is set; else EPERM.
    NoneOfBits {
        /// Which argument, from 0.
        index: u32,
        /// The bits.
        mask: u32,
    },
    /// Allowed unless it is one of these values; else EPERM.
    NotOneOf {
        /// Which argument, from 0.
        index: u32,
        /// The values.
        values: &'static [u32],
    },
    /// Allowed only if it is one of these values; else EPERM.
    OneOf {
        /// Which argument, from 0.
        index: u32,
        /// The values.
        values: &'static [u32],
    },
}

/// Numbers from `first` up to the next range's first share an action. The first range starts at 0
/// and neighbours differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first number.
    pub(crate) first: u32,
    /// What happens to the calls in it.
    pub(crate) action: Action,
}

/// The profile for these capabilities as ranges of numbers.
pub(crate) fn rules(capabilities: CapabilitySet) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    let last = SYSCALLS
        .iter()
        .map(|&(_, number)| number)
        .max()
        .unwrap_or(0);
    for candidate in 0..=last + 1 {
        let action = action(candidate, capabilities);
        if ranges.last().is_none_or(|range| range.action != action) {
            ranges.push(Range {
                first: candidate,
                action,
            });
        }
    }
    ranges
}

fn action(candidate: u32, capabilities: CapabilitySet) -> Action {
    let Some(&(name, _)) = SYSCALLS.iter().find(|&&(_, number)| number == candidate) else {
        return Action::Unknown;
    };
    let granted = |names: &[&str]| names.contains(&name);
    let gated = GATED
        .iter()
        .any(|&(capability, names)| capabilities & (1 << capability) != 0 && granted(names));
    if gated || ALLOWED.contains(&name) {
        return Action::Allow;
    }
    if name == "clone3" {
        return Action::Unknown;
    }
    match ARGUMENTS.iter().find(|&&(ruled, _)| ruled == name) {
        Some(&(_, rule)) => Action::Argument(rule),
        None => Action::Deny,
    }
}

/// Every name in the profile that x86-64 does not have; the profile is right when it is empty.
#[cfg(test)]
pub(crate) fn misspelt() -> Vec<&'static str> {
    let gated = GATED.iter().flat_map(|(_, names)| names.iter());
    let ruled = ARGUMENTS.iter().map(|(name, _)| name);
    ALLOWED
        .iter()
        .chain(gated)
        .chain(ruled)
        .copied()
        .filter(|name| super::syscalls::number(name).is_none())
        .collect()
}

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const NAMESPACE_FLAGS: u32 = 0x7E02_0000;
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541C;
const AF_VSOCK: u32 = 40;

/// Calls that are allowed without a capability when an argument is harmless.
const ARGUMENTS: &[(&str, ArgumentRule)] = &[
    (
        "clone",
        ArgumentRule::NoneOfBits {
            index: 0,
            mask: NAMESPACE_FLAGS,
        },
    ),
    (
        "ioctl",
        ArgumentRule::NotOneOf {
            index: 1,
            values: &[TIOCSTI, TIOCLINUX],
        },
    ),
    // Linux, Linux with 32-bit addresses, and the question what it is.
    (
        "personality",
        ArgumentRule::OneOf {
            index: 0,
            values: &[0, 8, 0x2_0000, 0x2_0008, u32::MAX],
        },
    ),
    (
        "socket",
        ArgumentRule::NotOneOf {
            index: 0,
            values: &[AF_VSOCK],
        },
    ),
];

/// Calls that a capability opens, by its number in linux/capability.h.
const GATED: &[(u8, &[&str])] = &[
    (2, &["open_by_handle_at"]), // DAC_READ_SEARCH
    (16, &["delete_module", "finit_module", "init_module"]), // SYS_MODULE
    (17, &["ioperm", "iopl"]),   // SYS_RAWIO
    (18, &["chroot"]),           // SYS_CHROOT
    (
        19, // SYS_PTRACE
        &[
            "kcmp",
            "pidfd_getfd",
            "process_madvise",
            "process_vm_readv",
            "process_vm_writev",
            "ptrace",
        ],
    ),
    (20, &["acct"]), // SYS_PACCT
    (
        21, // SYS_ADMIN
        &[
            "bpf",
            "clone",
            "clone3",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "listmount",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "perf_event_open",
            "pivot_root",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "statmount",
            "syslog",
            "umount2",
            "unshare",
        ],
    ),
    (22, &["reboot"]), // SYS_BOOT
    (
        23,
        &[
            "get_mempolicy",
            "mbind",
            "set_mempolicy",
            "set_mempolicy_home_node",
        ],
    ), // SYS_NICE
    (25, &["clock_settime", "settimeofday"]), // SYS_TIME
    (26, &["vhangup"]), // SYS_TTY_CONFIG
    (34, &["syslog"]), // SYSLOG
    (38, &["perf_event_open"]), // PERFMON
    (39, &["bpf"]),    // BPF
];

/// Calls that anybody may make.
#[rustfmt::skip]
const ALLOWED: &[&str] = &[
    "accept", "accept4", "access", "adjtimex", "alarm", "arch_prctl", "bind", "brk", "cachestat",
    "capget", "capset", "chdir", "chmod", "chown", "clock_adjtime", "clock_getres", "clock_gettime",
    "clock_nanosleep", "close", "close_range", "connect", "copy_file_range", "creat", "dup", "dup2",
    "dup3", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "execve", "execveat",
    "exit", "exit_group", "faccessat", "faccessat2", "fadvise64", "fallocate", "fanotify_mark",
    "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "fcntl", "fdatasync",
    "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr", "fstat", "fstatfs",
    "fsync", "ftruncate", "futex", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake",
    "futimesat", "get_robust_list", "get_thread_area", "getcpu", "getcwd", "getdents", "getdents64",
    "getegid", "geteuid", "getgid", "getgroups", "getitimer", "getpeername", "getpgid", "getpgrp",
    "getpid", "getppid", "getpriority", "getrandom", "getresgid", "getresuid", "getrlimit",
    "getrusage", "getsid", "getsockname", "getsockopt", "gettid", "gettimeofday", "getuid",
    "getxattr", "getxattrat", "inotify_add_watch", "inotify_init", "inotify_init1",
    "inotify_rm_watch", "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_setup",
    "io_submit", "ioprio_get", "ioprio_set", "kill", "landlock_add_rule", "landlock_create_ruleset",
    "landlock_restrict_self", "lchown", "lgetxattr", "link", "linkat", "listen", "listxattr",
    "listxattrat", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "madvise",
    "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret", "mincore", "mkdir", "mkdirat",
    "mknod", "mknodat", "mlock", "mlock2", "mlockall", "mmap", "modify_ldt", "mprotect",
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink",
    "mremap", "mseal", "msgctl", "msgget", "msgrcv", "msgsnd", "msync", "munlock", "munlockall",
    "munmap", "name_to_handle_at", "nanosleep", "newfstatat", "open", "openat", "openat2", "pause",
    "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "poll", "ppoll", "prctl", "pread64", "preadv", "preadv2", "prlimit64", "process_mrelease",
    "pselect6", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat",
    "readv", "recvfrom", "recvmmsg", "recvmsg", "remap_file_pages", "removexattr", "removexattrat",
    "rename", "renameat", "renameat2", "restart_syscall", "rmdir", "rseq", "rt_sigaction",
    "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
    "sched_rr_get_interval", "sched_setaffinity", "sched_setattr", "sched_setparam",
    "sched_setscheduler", "sched_yield", "seccomp", "select", "semctl", "semget", "semop",
    "semtimedop", "sendfile", "sendmmsg", "sendmsg", "sendto", "set_robust_list", "set_thread_area",
    "set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups", "setitimer", "setpgid",
    "setpriority", "setregid", "setresgid", "setresuid", "setreuid", "setrlimit", "setsid",
    "setsockopt", "setuid", "setxattr", "setxattrat", "shmat", "shmctl", "shmdt", "shmget",
    "shutdown", "sigaltstack", "signalfd", "signalfd4", "socketpair", "splice", "stat", "statfs",
    "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "sysinfo", "tee", "tgkill",
    "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
    "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "tkill", "truncate", "umask",
    "uname", "unlink", "unlinkat", "utime", "utimensat", "utimes", "vfork", "vmsplice", "wait4",
    "waitid", "write", "writev",
];
