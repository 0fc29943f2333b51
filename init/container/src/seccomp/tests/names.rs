//! The profile by name: what a service may call, with which arguments, and how long that takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use orlop_sys::credentials::CapabilitySet;
use orlop_sys::seccomp::Instruction;

use super::interpreter::{Call, run};
use super::oracle::{NamedRule, Oracle};
use super::{ARCHITECTURES, CALLS, FOREIGN, number};
use crate::seccomp::{Action, Architecture, Families, Mode, Profile, for_architecture, program};

const X86_64: Architecture = Architecture::X86_64;
const SYS_ADMIN: CapabilitySet = 1 << 21;
const SYS_PTRACE: CapabilitySet = 1 << 19;
const EAFNOSUPPORT: Action = Action::Errno(97);

fn holding(capabilities: CapabilitySet) -> Profile {
    Profile {
        capabilities,
        ..Profile::default()
    }
}

fn answer(program: &[Instruction], name: &str, arguments: [u64; 2]) -> u32 {
    let [first, second] = arguments;
    let call = Call {
        audit: X86_64.audit(),
        number: number(X86_64, name).unwrap(),
        arguments: [first, second, 0, 0, 0, 0],
    };
    run(program, call).0
}

fn expect(program: &[Instruction], name: &str, arguments: [u64; 2], action: Action) {
    let found = answer(program, name, arguments);
    assert_eq!(found, action.code(), "{name} {arguments:x?}: {found:#x}");
}

#[test]
fn the_answers_that_matter_without_capabilities() {
    let program = for_architecture(&Profile::default(), X86_64);
    for name in [
        "execve",
        "openat",
        "futex",
        "mmap",
        "seccomp",
        "landlock_restrict_self",
        "statx",
    ] {
        expect(&program, name, [0, 0], Action::Allow);
    }
    for name in [
        "mount",
        "umount2",
        "pivot_root",
        "move_mount",
        "open_tree",
        "fsopen",
        "mount_setattr",
        "unshare",
        "setns",
        "bpf",
        "ptrace",
        "perf_event_open",
        "process_vm_readv",
        "pidfd_getfd",
        "io_uring_setup",
        "keyctl",
        "add_key",
        "request_key",
        "userfaultfd",
        "init_module",
        "finit_module",
        "kexec_load",
        "reboot",
        "swapon",
        "iopl",
        "ioperm",
        "open_by_handle_at",
        "chroot",
        "clock_settime",
        "syslog",
        "sethostname",
        "quotactl",
        "acct",
    ] {
        expect(&program, name, [0, 0], Action::DENIED);
    }
}

#[test]
fn edge_64_what_is_newer_or_hidden_is_missing_and_not_denied() {
    let program = for_architecture(&Profile::default(), X86_64);
    expect(&program, "clone3", [0, 0], Action::MISSING);
    // Allowed, so that the kernel itself says ENOSYS where it is too old.
    expect(&program, "faccessat2", [0, 0], Action::Allow);
    expect(&program, "openat2", [0, 0], Action::Allow);
    for number in [
        337,
        423,
        480,
        5000,
        0x3FFF_FFFF,
        0x4000_0000,
        0x4000_003B,
        u32::MAX,
    ] {
        let call = Call {
            audit: X86_64.audit(),
            number,
            arguments: [0; 6],
        };
        assert_eq!(run(&program, call).0, Action::MISSING.code(), "{number:#x}");
    }
}

#[test]
fn r20_every_number_gets_what_the_lists_say() {
    for capabilities in [0, SYS_ADMIN, SYS_PTRACE, u64::MAX] {
        let profile = holding(capabilities);
        for architecture in ARCHITECTURES {
            let program = for_architecture(&profile, architecture);
            let verdicts = profile.verdicts(architecture);
            let known: BTreeSet<u32> = CALLS
                .iter()
                .filter_map(|(name, _)| number(architecture, name))
                .collect();
            for number in 0..1100 {
                let call = Call {
                    audit: architecture.audit(),
                    number,
                    arguments: [0; 6],
                };
                let verdict = verdicts.iter().find(|&&(known, _)| known == number);
                assert_eq!(verdict.is_some(), known.contains(&number), "{number}");
                let found = run(&program, call).0;
                match verdict {
                    None => assert_eq!(found, Action::MISSING.code(), "{number}"),
                    Some((_, verdict)) if verdict.rules.is_empty() => {
                        assert_eq!(found, verdict.otherwise.code(), "{number}");
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

#[test]
fn arguments_decide_where_they_must_and_their_upper_halves_do_not() {
    let program = for_architecture(&Profile::default(), X86_64);
    let high = 0xFFFF_FFFF_0000_0000;
    for (name, arguments, action) in [
        ("clone", [0x0001_0000, 0], Action::Allow),
        ("clone", [0x003D_0F00, 0], Action::Allow),
        ("clone", [0x1000_0000, 0], Action::DENIED),
        ("clone", [0x0200_0000, 0], Action::DENIED),
        ("clone", [high | 0x0002_0000, 0], Action::DENIED),
        ("ioctl", [0, 0x5401], Action::Allow),
        ("personality", [0x2_0008, 0], Action::Allow),
        ("personality", [0xFFFF_FFFF, 0], Action::Allow),
        ("personality", [0x4_0000, 0], Action::DENIED),
        ("personality", [high | 0x40_0000, 0], Action::DENIED),
    ] {
        expect(&program, name, arguments, action);
    }
}

#[test]
fn r15_nothing_is_typed_into_a_terminal() {
    for capabilities in [0, SYS_ADMIN, u64::MAX] {
        let program = for_architecture(&holding(capabilities), X86_64);
        for upper in [0, 1 << 32, 0xFFFF_FFFF_0000_0000] {
            expect(&program, "ioctl", [0, upper | 0x5412], Action::DENIED);
            expect(&program, "ioctl", [0, upper | 0x541C], Action::DENIED);
        }
    }
}

#[test]
fn socket_families_are_a_list() {
    let usual = for_architecture(&Profile::default(), X86_64);
    let most = Profile {
        families: Families::Most,
        ..Profile::default()
    };
    let most = for_architecture(&most, X86_64);
    for family in 0..46 {
        for name in ["socket", "socketpair"] {
            let listed = [1, 2, 10, 16, 17].contains(&family);
            let action = if listed { Action::Allow } else { EAFNOSUPPORT };
            expect(&usual, name, [family, 1], action);
            expect(&usual, name, [family | 1 << 40, 1], action);
            let listed = ![38, 40].contains(&family);
            let action = if listed { Action::Allow } else { EAFNOSUPPORT };
            expect(&most, name, [family, 1], action);
        }
    }
}

#[test]
fn other_architectures_get_nothing() {
    let program = program(&holding(u64::MAX));
    for audit in [
        Architecture::I386.audit(),
        Architecture::Aarch64.audit(),
        FOREIGN,
    ] {
        let call = Call {
            audit,
            number: 1,
            arguments: [0; 6],
        };
        assert_eq!(run(&program, call).0, Action::KillProcess.code());
    }
}

#[test]
fn a_capability_opens_what_it_is_for() {
    let admin = for_architecture(&holding(SYS_ADMIN), X86_64);
    for name in [
        "mount",
        "unshare",
        "setns",
        "clone3",
        "pivot_root",
        "clone",
        "bpf",
    ] {
        expect(&admin, name, [0x1000_0000, 0], Action::Allow);
    }
    expect(&admin, "ptrace", [0, 0], Action::DENIED);
    let tracer = for_architecture(&holding(SYS_PTRACE), X86_64);
    expect(&tracer, "ptrace", [0, 0], Action::Allow);
    expect(&tracer, "mount", [0, 0], Action::DENIED);
}

#[test]
fn log_mode_runs_what_it_would_refuse_and_says_so() {
    let profile = Profile {
        mode: Mode::Log,
        ..Profile::default()
    };
    let program = for_architecture(&profile, X86_64);
    expect(&program, "read", [0, 0], Action::Allow);
    for name in ["mount", "clone3", "bpf"] {
        expect(&program, name, [0, 0], Action::Log);
    }
    expect(&program, "socket", [40, 0], Action::Log);
}

#[test]
fn a_filter_is_compiled_once_and_capabilities_that_open_nothing_do_not_count() {
    let plain = program(&Profile::default());
    assert!(Arc::ptr_eq(&plain, &program(&Profile::default())));
    // CHOWN, NET_RAW.
    assert!(Arc::ptr_eq(&plain, &program(&holding(1 | 1 << 13))));
    let admin = program(&holding(SYS_ADMIN));
    assert!(!Arc::ptr_eq(&plain, &admin));
    assert!(Arc::ptr_eq(&admin, &program(&holding(SYS_ADMIN))));
}

/// Instructions that the calls of a busy server take, here and in what libseccomp makes of the same
/// profile.
#[test]
fn the_way_to_an_answer_is_shorter_than_libseccomps() {
    let profile = Profile::default();
    let ours = for_architecture(&profile, X86_64);
    let theirs = libseccomps(&profile);
    let mean = |program: &[Instruction]| {
        let calls = CALLS.iter().filter(|(name, _)| {
            number(X86_64, name).is_some() && answer(&ours, name, [0, 0]) == Action::Allow.code()
        });
        let steps: Vec<usize> = calls
            .map(|(name, _)| {
                let call = Call {
                    audit: X86_64.audit(),
                    number: number(X86_64, name).unwrap(),
                    arguments: [0; 6],
                };
                run(program, call).1
            })
            .collect();
        let longest = steps.iter().max().copied().unwrap();
        (steps.iter().sum::<usize>() / steps.len(), longest)
    };
    let (our_mean, our_longest) = mean(&ours);
    let (their_mean, their_longest) = mean(&theirs);
    println!(
        "seccomp: {} instructions, {our_mean} a call, at most {our_longest}; \
         libseccomp: {}, {their_mean} a call, at most {their_longest}",
        ours.len(),
        theirs.len(),
    );
    assert!(
        our_mean <= 10 && our_longest <= 20,
        "{our_mean} {our_longest}"
    );
    assert!(our_mean < their_mean && ours.len() < theirs.len());
}

/// What libseccomp makes of the profile. It has one answer for all that is not named: EPERM here.
fn libseccomps(profile: &Profile) -> Vec<Instruction> {
    let verdicts = profile.verdicts(X86_64);
    let named = CALLS.iter().filter_map(|&(name, _)| {
        let number = number(X86_64, name)?;
        let (_, verdict) = verdicts.iter().find(|&&(known, _)| known == number)?;
        Some((name, *verdict))
    });
    let mut oracle = Oracle::start();
    let named: Vec<_> = named
        .filter(|(name, _)| oracle.resolve(X86_64, name).is_some())
        .collect();
    let mut rules = Vec::new();
    for (name, verdict) in &named {
        for rule in verdict.rules {
            rules.push(NamedRule {
                name,
                conditions: rule.conditions,
                action: rule.action,
            });
        }
        if verdict.rules.is_empty() {
            rules.push(NamedRule {
                name,
                conditions: &[],
                action: verdict.otherwise,
            });
        }
    }
    rules.retain(|rule| rule.action != Action::DENIED);
    oracle.export(Action::DENIED, Action::KillProcess, &[X86_64], &rules)
}

#[test]
fn libseccomps_program_for_the_profile_answers_the_same() {
    for capabilities in [0, SYS_ADMIN, SYS_PTRACE, u64::MAX] {
        let profile = holding(capabilities);
        let ours = for_architecture(&profile, X86_64);
        let theirs = libseccomps(&profile);
        let mut oracle = Oracle::start();
        for (name, _) in CALLS {
            // What Debian 12's does not know yet, and ioctl and the families, whose "otherwise" is
            // not EPERM.
            let Some(number) = oracle.resolve(X86_64, name) else {
                continue;
            };
            if ["ioctl", "socket", "socketpair"].contains(name) {
                continue;
            }
            for first in [
                0,
                8,
                0x1100,
                0x2_0000,
                0x2_0008,
                0x1000_0000,
                0x7E02_0000,
                0xFFFF_FFFF,
            ] {
                let call = Call {
                    audit: X86_64.audit(),
                    number,
                    arguments: [first, 0, 0, 0, 0, 0],
                };
                assert_eq!(
                    run(&ours, call).0,
                    run(&theirs, call).0,
                    "{name} {first:#x}"
                );
            }
        }
    }
}
