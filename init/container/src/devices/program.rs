//! Rules become extended BPF: one comparison after the other, and at the end "no".

use orlop_sys::bpf::Instruction;

use super::rules::{ALL, DeviceRules};

/// The program, which returns 1 for what is allowed. The kernel calls it when a node is opened or
/// made, with struct bpf_cgroup_dev_ctx.
pub(super) fn program(rules: &DeviceRules) -> Vec<Instruction> {
    let mut code = vec![
        load(KIND, 0),
        // access_type: what is asked for above, the kind below.
        operation(MOV, ASKED, KIND, 0),
        operation(SHIFT_RIGHT, ASKED, 0, 16),
        operation(AND, KIND, 0, 0xFFFF),
        load(MAJOR, 4),
        load(MINOR, 8),
        operation(MOV_IMMEDIATE, RESULT, 0, 1),
    ];
    for (rule, access) in rules.iter() {
        let mut tests = vec![(KIND, rule.kind as i32), (MAJOR, word(rule.major))];
        tests.extend(rule.minor.map(|minor| (MINOR, word(minor))));
        let mut part = Vec::new();
        if access != ALL {
            part.push(operation(MOV, SCRATCH, ASKED, 0));
            part.push(operation(AND, SCRATCH, 0, i32::from(ALL & !access)));
            part.push(unequal(SCRATCH, 0, 1));
        }
        part.push(operation(EXIT, 0, 0, 0));
        // A test that fails goes on behind the part.
        for (register, value) in tests.into_iter().rev() {
            let behind = i16::try_from(part.len()).unwrap_or(i16::MAX);
            part.insert(0, unequal(register, value, behind));
        }
        code.extend(part);
    }
    code.push(operation(MOV_IMMEDIATE, RESULT, 0, 0));
    code.push(operation(EXIT, 0, 0, 0));
    code
}

/// Device numbers have 12 and 20 bits.
fn word(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

const fn load(register: u8, offset: i16) -> Instruction {
    Instruction {
        code: LOAD_WORD,
        registers: register | CONTEXT << 4,
        offset,
        immediate: 0,
    }
}

const fn operation(code: u8, to: u8, from: u8, immediate: i32) -> Instruction {
    Instruction {
        code,
        registers: to | from << 4,
        offset: 0,
        immediate,
    }
}

const fn unequal(register: u8, immediate: i32, offset: i16) -> Instruction {
    Instruction {
        code: JUMP_UNEQUAL,
        registers: register,
        offset,
        immediate,
    }
}

pub(super) const LOAD_WORD: u8 = 0x61;
pub(super) const MOV: u8 = 0xBF;
pub(super) const MOV_IMMEDIATE: u8 = 0xB7;
pub(super) const SHIFT_RIGHT: u8 = 0x77;
pub(super) const AND: u8 = 0x57;
pub(super) const JUMP_UNEQUAL: u8 = 0x55;
pub(super) const EXIT: u8 = 0x95;

// Registers.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ASKED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;
