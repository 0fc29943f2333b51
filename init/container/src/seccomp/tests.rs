use super::*;

const ARCH: u32 = 0xC000_003E;
const ALLOW: u32 = 0x7FFF_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL: u32 = 0x8000_0000;
const SYS_ADMIN: CapabilitySet = 1 << 21;

/// Classic BPF as the kernel runs it (net/core/filter.c), for the operations that filters use.
fn run(program: &[Instruction], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = vec![number, arch, 0, 0];
    data.extend(
        arguments
            .iter()
            .flat_map(|&word| [low(word), low(word >> 32)]),
    );
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let mut branch = |taken: bool| at += usize::from(if taken { jt } else { jf });
        match code {
            0x20 => accumulator = data[k as usize / 4],
            0x15 => branch(accumulator == k),
            0x35 => branch(accumulator >= k),
            0x45 => branch(accumulator & k != 0),
            0x05 => at += k as usize,
            0x06 => return k,
            other => panic!("operation {other:#x}"),
        }
    }
}

fn low(word: u64) -> u32 {
    u32::try_from(word & 0xFFFF_FFFF).unwrap()
}

fn plain(program: &[Instruction], name: &str, first: u64, second: u64) -> u32 {
    run(
        program,
        ARCH,
        syscalls::number(name).unwrap(),
        [first, second, 0, 0, 0, 0],
    )
}

#[test]
fn the_profile_names_only_calls_that_exist_and_the_table_agrees_with_libc() {
    assert_eq!(profile::misspelt(), Vec::<&str>::new());
    for (name, number) in [
        ("read", libc::SYS_read),
        ("clone3", libc::SYS_clone3),
        ("mount_setattr", libc::SYS_mount_setattr),
        ("execveat", libc::SYS_execveat),
        ("futex_waitv", libc::SYS_futex_waitv),
        ("uretprobe", 335),
        ("rseq", libc::SYS_rseq),
    ] {
        match name {
            "uretprobe" => assert_eq!(syscalls::number(name), None),
            _ => assert_eq!(
                syscalls::number(name).map(i64::from),
                Some(number),
                "{name}"
            ),
        }
    }
    assert!(
        syscalls::SYSCALLS
            .windows(2)
            .all(|pair| pair[0].1 < pair[1].1)
    );
}

#[test]
fn every_number_gets_what_the_profile_says() {
    for capabilities in [0, SYS_ADMIN, 1 << 19, u64::MAX] {
        let program = program(capabilities);
        let ranges = profile::rules(capabilities);
        for number in (0..1100).chain([0x3FFF_FFFF]) {
            let range = ranges
                .iter()
                .rev()
                .find(|range| range.first <= number)
                .unwrap();
            let expected = match range.action {
                profile::Action::Allow => ALLOW,
                profile::Action::Deny => EPERM,
                profile::Action::Unknown => ENOSYS,
                // With all arguments 0 each of the conditions holds.
                profile::Action::Argument(_) => ALLOW,
            };
            assert_eq!(
                run(&program, ARCH, number, [0; 6]),
                expected,
                "number {number}, {capabilities:#x}"
            );
        }
    }
}

#[test]
fn the_answers_that_matter_without_capabilities() {
    let program = program(0);
    for (name, expected) in [
        ("execve", ALLOW),
        ("mount", EPERM),
        ("unshare", EPERM),
        ("setns", EPERM),
        ("bpf", EPERM),
        ("ptrace", EPERM),
        ("io_uring_setup", EPERM),
        ("keyctl", EPERM),
        ("userfaultfd", EPERM),
        ("clone3", ENOSYS),
    ] {
        assert_eq!(plain(&program, name, 0, 0), expected, "{name}");
    }
    assert!(program.len() < 200, "{} instructions", program.len());
}

#[test]
fn arguments_decide_where_they_must_and_their_upper_halves_do_not() {
    let program = program(0);
    let high = 0xFFFF_FFFF_0000_0000;
    for (name, arguments, expected) in [
        ("clone", [0x0001_0000, 0], ALLOW),
        ("clone", [0x1000_0000, 0], EPERM),
        ("clone", [high | 0x0002_0000, 0], EPERM),
        ("ioctl", [0, 0x5401], ALLOW),
        ("ioctl", [0, 0x5412], EPERM),
        ("ioctl", [0, high | 0x5412], EPERM),
        ("ioctl", [0, 0x541C], EPERM),
        ("personality", [0x2_0008, 0], ALLOW),
        ("personality", [0xFFFF_FFFF, 0], ALLOW),
        ("personality", [0x4_0000, 0], EPERM),
        ("socket", [2, 0], ALLOW),
        ("socket", [40, 0], EPERM),
    ] {
        assert_eq!(
            plain(&program, name, arguments[0], arguments[1]),
            expected,
            "{name} {arguments:x?}"
        );
    }
}

#[test]
fn other_architectures_get_nothing() {
    let program = program(u64::MAX);
    assert_eq!(run(&program, 0x4000_0003, 1, [0; 6]), KILL);
    assert_eq!(run(&program, ARCH, 0x4000_0001, [0; 6]), ENOSYS);
    assert_eq!(run(&program, ARCH, u32::MAX, [0; 6]), ENOSYS);
}

#[test]
fn a_capability_opens_what_it_is_for() {
    let admin = program(SYS_ADMIN);
    for name in ["mount", "unshare", "setns", "clone3", "pivot_root"] {
        assert_eq!(plain(&admin, name, 0x1000_0000, 0), ALLOW, "{name}");
    }
    assert_eq!(plain(&admin, "ptrace", 0, 0), EPERM);
    assert_eq!(plain(&admin, "ioctl", 0, 0x5412), EPERM);
    assert_eq!(plain(&program(1 << 19), "ptrace", 0, 0), ALLOW);
}

#[test]
fn the_filter_without_capabilities_is_shared() {
    assert!(Arc::ptr_eq(&program(0), &program(0)));
}
