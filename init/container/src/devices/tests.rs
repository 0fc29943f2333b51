use std::collections::BTreeMap;

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::program::{
    AND, EXIT, JUMP_UNEQUAL, LOAD_WORD, MOV, MOV_IMMEDIATE, SHIFT_RIGHT, program,
};
use super::rules::{ALL, MAKE, READ, WRITE};
use super::{DeviceFilter, DeviceKind, DeviceRule, DeviceRules};

/// Extended BPF as the kernel runs it, for what the programs here use.
fn run(rules: &DeviceRules, device: DeviceRule, asked: u8) -> bool {
    let program = program(rules);
    let context = [
        u64::from(asked) << 16 | device.kind as u64,
        device.major.into(),
        device.minor.unwrap().into(),
    ];
    let mut registers = [0_u64; 11];
    let mut at = 0;
    loop {
        let one = program[at];
        at += 1;
        let (to, from) = (one.registers & 15, one.registers >> 4);
        let (to, from) = (usize::from(to), usize::from(from));
        let immediate = i64::from(one.immediate).cast_unsigned();
        match one.code {
            LOAD_WORD => registers[to] = context[usize::try_from(one.offset).unwrap() / 4],
            MOV => registers[to] = registers[from],
            MOV_IMMEDIATE => registers[to] = immediate,
            SHIFT_RIGHT => registers[to] >>= immediate,
            AND => registers[to] &= immediate,
            JUMP_UNEQUAL if registers[to] != immediate => {
                at += usize::try_from(one.offset).unwrap();
            }
            JUMP_UNEQUAL => {}
            EXIT => return registers[0] == 1,
            other => panic!("operation {other:#x}"),
        }
    }
}

fn character(major: u32, minor: u32) -> DeviceRule {
    DeviceRule {
        kind: DeviceKind::Character,
        major,
        minor: Some(minor),
    }
}

fn rule() -> impl Strategy<Value = DeviceRule> {
    let kind = prop_oneof![Just(DeviceKind::Block), Just(DeviceKind::Character)];
    // Few numbers, so that rules meet; and the largest of 12 and 20 bits.
    let major = prop_oneof![0..4_u32, Just(4095)];
    let minor =
        prop_oneof![3 => (0..4_u32).prop_map(Some), 1 => Just(Some(0xF_FFFF)), 1 => Just(None)];
    (kind, major, minor).prop_map(|(kind, major, minor)| DeviceRule { kind, major, minor })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_program_allows_what_a_rule_allows_and_the_kernel_takes_it(
        granted in btree_map(rule(), (any::<bool>(), any::<bool>()), 0..20),
        asked in 1..=ALL,
        device in rule(),
    ) {
        let mut rules = DeviceRules::default();
        let mut model: BTreeMap<_, u8> = rules.iter().collect();
        for (&rule, &(read, write)) in &granted {
            rules.grant(rule, read, write);
            let bits = |granted, bits| if granted { bits } else { 0 };
            let access = MAKE | bits(read, READ) | bits(write, WRITE);
            *model.entry(rule).or_default() |= access;
        }
        let device = DeviceRule { minor: device.minor.or(Some(7)), ..device };
        let allowed = model.iter().any(|(rule, access)| {
            (rule.kind, rule.major) == (device.kind, device.major)
                && rule.minor.is_none_or(|minor| Some(minor) == device.minor)
                && asked & !access == 0
        });
        prop_assert_eq!(run(&rules, device, asked), allowed);
        if nix::unistd::geteuid().is_root() {
            prop_assert!(DeviceFilter::load(&rules).is_ok());
        }
    }
}

#[test]
fn without_grants_only_ocis_default_devices_are_left() {
    let rules = DeviceRules::default();
    for minor in [3, 5, 7, 8, 9] {
        assert!(run(&rules, character(1, minor), READ | WRITE), "1:{minor}");
    }
    assert!(run(&rules, character(5, 0), ALL) && run(&rules, character(136, 200), ALL));
    let null_of_blocks = DeviceRule {
        kind: DeviceKind::Block,
        ..character(1, 3)
    };
    for (what, device) in [
        ("mem", character(1, 1)),
        ("kmsg", character(1, 11)),
        ("console", character(5, 1)),
        ("fuse", character(10, 229)),
        ("tun", character(10, 200)),
        ("ttyS0", character(4, 64)),
        ("ram3", null_of_blocks),
    ] {
        for access in [MAKE, READ, WRITE, ALL] {
            assert!(!run(&rules, device, access), "{what} {access}");
        }
    }
}

#[test]
fn a_grant_holds_for_its_bits() {
    let mut rules = DeviceRules::default();
    rules.grant(character(10, 200), true, false);
    assert!(run(&rules, character(10, 200), READ));
    assert!(!run(&rules, character(10, 200), WRITE));
    assert!(!run(&rules, character(10, 200), READ | WRITE));
    // Two nodes of one device: open(O_RDWR) asks for both at once.
    rules.grant(character(10, 200), false, true);
    assert!(run(&rules, character(10, 200), READ | WRITE));
}

#[test]
fn equal_rules_are_loaded_once() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: loading BPF needs root");
        return;
    }
    let one = DeviceFilter::load(&DeviceRules::default()).unwrap();
    let two = DeviceFilter::load(&DeviceRules::default()).unwrap();
    assert!(std::rc::Rc::ptr_eq(&one, &two));
}
