//! Classic BPF as the kernel runs it (net/core/filter.c), for what filters may use.

use orlop_sys::seccomp::Instruction;

/// What struct seccomp_data holds, save the instruction pointer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) audit: u32,
    pub(super) number: u32,
    pub(super) arguments: [u64; 6],
}

/// What the program returns, and how many instructions that took.
pub(super) fn run(program: &[Instruction], call: Call) -> (u32, usize) {
    let mut words = vec![call.number, call.audit, 0, 0];
    words.extend(
        call.arguments
            .iter()
            .flat_map(|&word| [low(word), low(word >> 32)]),
    );
    let (mut at, mut accumulator) = (0, 0);
    for steps in 1.. {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let mut branch = |taken: bool| at += usize::from(if taken { jt } else { jf });
        match code {
            0x20 => accumulator = words[k as usize / 4],
            0x54 => accumulator &= k,
            0x15 => branch(accumulator == k),
            0x25 => branch(accumulator > k),
            0x35 => branch(accumulator >= k),
            0x45 => branch(accumulator & k != 0),
            0x05 => at += k as usize,
            0x06 => return (k, steps),
            other => panic!("operation {other:#x}"),
        }
    }
    unreachable!()
}

fn low(word: u64) -> u32 {
    u32::try_from(word & 0xFFFF_FFFF).unwrap()
}
