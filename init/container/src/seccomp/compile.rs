//! Ranges become classic BPF (linux/filter.h): a balanced binary search, so that every call costs
//! about seven comparisons.

use orlop_sys::seccomp::Instruction;

use super::profile::{Action, ArgumentRule, Range};

/// The whole program: the architecture and the x32 bit are checked first.
pub(crate) fn compile(ranges: &[Range]) -> Vec<Instruction> {
    let mut program = vec![
        load(OFFSET_ARCH),
        jump(JEQ, AUDIT_ARCH_X86_64, 1, 0),
        // Numbers mean something else on i386: nothing of it can be allowed by half.
        answer(KILL_PROCESS),
        load(OFFSET_NR),
        jump(JGE, X32_BIT, 0, 1),
        answer(ERRNO | ENOSYS),
    ];
    program.extend(search(ranges));
    program
}

/// The part of the search that decides between these ranges (never empty).
fn search(ranges: &[Range]) -> Vec<Instruction> {
    match ranges {
        [] => vec![answer(ERRNO | ENOSYS)],
        [range] => leaf(range.action),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let first = high.first().map_or(0, |range| range.first);
            let below = search(low);
            let mut code = match u8::try_from(below.len()) {
                Ok(length) => vec![jump(JGE, first, length, 0)],
                // Conditional jumps reach 255 instructions; the plain one reaches further.
                Err(_) => vec![jump(JGE, first, 0, 1), skip(below.len())],
            };
            code.extend(below);
            code.extend(search(high));
            code
        }
    }
}

fn leaf(action: Action) -> Vec<Instruction> {
    match action {
        Action::Allow => vec![answer(ALLOW)],
        Action::Deny => vec![answer(ERRNO | EPERM)],
        Action::Unknown => vec![answer(ERRNO | ENOSYS)],
        Action::Argument(ArgumentRule::NoneOfBits { index, mask }) => vec![
            load(argument(index)),
            jump(JSET, mask, 0, 1),
            answer(ERRNO | EPERM),
            answer(ALLOW),
        ],
        Action::Argument(ArgumentRule::NotOneOf { index, values }) => {
            compare(index, values, ERRNO | EPERM, ALLOW)
        }
        Action::Argument(ArgumentRule::OneOf { index, values }) => {
            compare(index, values, ALLOW, ERRNO | EPERM)
        }
    }
}

/// Answers `found` when the argument is one of the values, else `other`.
fn compare(index: u32, values: &[u32], found: u32, other: u32) -> Vec<Instruction> {
    let mut code = vec![load(argument(index))];
    for &value in values {
        code.push(jump(JEQ, value, 0, 1));
        code.push(answer(found));
    }
    code.push(answer(other));
    code
}

const fn load(offset: u32) -> Instruction {
    Instruction {
        code: LD_W_ABS,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

fn skip(count: usize) -> Instruction {
    // Longer than u32 is longer than the kernel takes: it refuses the program.
    Instruction {
        code: JA,
        jt: 0,
        jf: 0,
        k: u32::try_from(count).unwrap_or(u32::MAX),
    }
}

const fn answer(value: u32) -> Instruction {
    Instruction {
        code: RET_K,
        jt: 0,
        jf: 0,
        k: value,
    }
}

/// Where the lower half of an argument lies in struct seccomp_data (little endian).
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const AUDIT_ARCH_X86_64: u32 = 0xC000_003E;
const X32_BIT: u32 = 0x4000_0000;

const LD_W_ABS: u16 = 0x20;
const JA: u16 = 0x05;
const JEQ: u16 = 0x15;
const JGE: u16 = 0x35;
const JSET: u16 = 0x45;
const RET_K: u16 = 0x06;

const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;
const ALLOW: u32 = 0x7FFF_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
