//! Verdicts become a program: a balanced search over ranges of numbers, so that every call costs
//! about seven comparisons, and below it the rules of the few calls whose arguments matter.

use orlop_sys::seccomp::Instruction;

use super::assembler::{Assembler, JEQ, JGE, JGT, JSET, Label};
use super::rule::{Action, Comparison, Condition, Verdict};

/// An architecture that the kernel runs programs of. All are little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// 64-bit x86. Numbers with bit 30 belong to x32: above every known one, they are unknown.
    X86_64,
    /// 32-bit x86, which a 64-bit kernel runs too.
    I386,
    /// 64-bit Arm.
    Aarch64,
}

impl Architecture {
    /// The one that this program was compiled for.
    pub const NATIVE: Architecture = if cfg!(target_arch = "aarch64") {
        Architecture::Aarch64
    } else {
        Architecture::X86_64
    };

    /// AUDIT_ARCH_… of linux/audit.h.
    #[must_use]
    pub const fn audit(self) -> u32 {
        match self {
            Architecture::X86_64 => 0xC000_003E,
            Architecture::I386 => 0x4000_0003,
            Architecture::Aarch64 => 0xC000_00B7,
        }
    }
}

/// One architecture's part of a filter.
#[derive(Debug, Clone, Copy)]
pub struct Calls<'a> {
    /// Whose numbers these are.
    pub architecture: Architecture,
    /// Numbers and what happens to them; ascending.
    pub verdicts: &'a [(u32, Verdict<'a>)],
    /// What happens to all other numbers.
    pub unknown: Action,
}

/// Whether refusals happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// What would be refused runs, and the kernel log names it: for finding out what a program needs.
    Log,
}

/// The whole program. The first architecture has the shortest way.
#[must_use]
pub fn compile(architectures: &[Calls<'_>], foreign: Action, mode: Mode) -> Vec<Instruction> {
    let mut compiler = Compiler {
        code: Assembler::default(),
        mode,
    };
    let parts: Vec<_> = architectures
        .iter()
        .rev()
        .map(|calls| {
            let root = compiler.search(&ranges(calls));
            compiler.code.start(root);
            (calls.architecture.audit(), compiler.code.load(OFFSET_NR))
        })
        .collect();
    let mut next = compiler.answer(foreign);
    for (audit, part) in parts {
        next = compiler.code.branch(JEQ, audit, part, next);
    }
    compiler.code.start(next);
    compiler.code.load(OFFSET_ARCH);
    compiler.code.finish()
}

/// From each number up to the next range's first; the first range starts at 0, neighbours differ.
fn ranges<'a>(calls: &Calls<'a>) -> Vec<(u32, Verdict<'a>)> {
    let unknown = Verdict::always(calls.unknown);
    let mut ranges = vec![(0, unknown)];
    let mut put = |first: u32, verdict: Verdict<'a>| {
        if ranges.last().is_some_and(|&(last, _)| last == first) {
            ranges.pop();
        }
        if ranges.last().is_none_or(|&(_, before)| before != verdict) {
            ranges.push((first, verdict));
        }
    };
    for &(number, verdict) in calls.verdicts {
        put(number, verdict);
        if let Some(next) = number.checked_add(1) {
            put(next, unknown);
        }
    }
    ranges
}

struct Compiler {
    code: Assembler,
    mode: Mode,
}

impl Compiler {
    /// The part of the search that decides between these ranges.
    fn search(&mut self, ranges: &[(u32, Verdict<'_>)]) -> Label {
        let (low, high) = ranges.split_at(ranges.len() / 2);
        match (low, high) {
            ([], [(_, verdict), ..]) => self.verdict(verdict),
            (_, [(first, _), ..]) => {
                let above = self.search(high);
                let below = self.search(low);
                self.code.branch(JGE, *first, above, below)
            }
            // `ranges` is never empty.
            (_, []) => self.answer(Action::KillProcess),
        }
    }

    fn verdict(&mut self, verdict: &Verdict<'_>) -> Label {
        let mut next = self.answer(verdict.otherwise);
        for rule in verdict.rules.iter().rev() {
            let refused = next;
            let mut then = self.answer(rule.action);
            for condition in rule.conditions.iter().rev() {
                then = self.condition(*condition, then, refused);
            }
            next = then;
        }
        next
    }

    fn condition(&mut self, condition: Condition, yes: Label, no: Label) -> Label {
        let at = offset_of(condition.argument);
        match condition.comparison {
            Comparison::Eq(value) => self.equal(at, u64::MAX, value, yes, no),
            Comparison::Ne(value) => self.equal(at, u64::MAX, value, no, yes),
            Comparison::MaskedEq { mask, value } => self.equal(at, mask, value, yes, no),
            Comparison::Ge(value) => self.above(at, JGE, value, yes, no),
            Comparison::Gt(value) => self.above(at, JGT, value, yes, no),
            Comparison::Lt(value) => self.above(at, JGE, value, no, yes),
            Comparison::Le(value) => self.above(at, JGT, value, no, yes),
        }
    }

    fn equal(&mut self, at: u32, mask: u64, value: u64, yes: Label, no: Label) -> Label {
        let lower = self.word(at, low(mask), low(value), yes, no);
        self.word(at + 4, high(mask), high(value), lower, no)
    }

    /// Half an argument under half a mask.
    fn word(&mut self, at: u32, mask: u32, value: u32, yes: Label, no: Label) -> Label {
        if value & !mask != 0 {
            return no;
        }
        if mask == 0 {
            return yes;
        }
        let [yes, no] = [yes, no].map(|label| match mask {
            u32::MAX => self.code.behind_load(label, at),
            _ => label,
        });
        if value == 0 && mask != u32::MAX {
            self.code.branch(JSET, mask, no, yes);
        } else {
            self.code.branch(JEQ, value, yes, no);
            if mask != u32::MAX {
                self.code.mask(mask);
            }
        }
        self.code.load(at)
    }

    /// JGE or JGT on all 64 bits: the lower half counts where the upper ones are equal.
    fn above(&mut self, at: u32, operation: u16, value: u64, yes: Label, no: Label) -> Label {
        self.code.branch(operation, low(value), yes, no);
        let lower = self.code.load(at);
        let equal = self.code.branch(JEQ, high(value), lower, no);
        self.code.branch(JGT, high(value), yes, equal);
        self.code.load(at + 4)
    }

    fn answer(&mut self, action: Action) -> Label {
        let action = match (self.mode, action) {
            (Mode::Enforce, action) | (Mode::Log, action @ Action::Allow) => action,
            (Mode::Log, _) => Action::Log,
        };
        self.code.answer(action.code())
    }
}

/// Where the lower half of an argument lies in struct seccomp_data; the upper one follows.
const fn offset_of(argument: u8) -> u32 {
    // Lossless; past the sixth, the kernel refuses the program.
    16 + 8 * argument as u32
}

fn low(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0)
}

fn high(word: u64) -> u32 {
    low(word >> 32)
}

const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;
