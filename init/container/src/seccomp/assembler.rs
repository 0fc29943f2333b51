//! Classic BPF (linux/filter.h), written from its end to its beginning: all jumps go forward, so
//! that every target is there before the jump to it.

use orlop_sys::seccomp::Instruction;

/// The place of an instruction, counted from the end.
pub(super) type Label = usize;

/// A program under construction, last instruction first.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    backward: Vec<Instruction>,
    /// The nearest `return` of each value.
    answers: Vec<(u32, Label)>,
}

impl Assembler {
    /// The instructions in the order in which they run. The last one written is the first to run.
    pub(super) fn finish(mut self) -> Vec<Instruction> {
        self.backward.reverse();
        self.backward
    }

    /// A `return value` that a jump written next can reach.
    pub(super) fn answer(&mut self, value: u32) -> Label {
        match self.answers.iter().find(|&&(known, _)| known == value) {
            Some(&(_, label)) if self.reaches(label, SLACK) => label,
            _ => self.fresh_answer(value),
        }
    }

    fn fresh_answer(&mut self, value: u32) -> Label {
        let label = self.push(RET, 0, 0, value);
        self.answers.retain(|&(known, _)| known != value);
        self.answers.push((value, label));
        label
    }

    /// `if word <operation> operand then yes else no`, on the accumulator.
    pub(super) fn branch(&mut self, operation: u16, operand: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return self.start(yes);
        }
        // The second may put one more instruction between.
        let yes = self.near(yes, 1);
        let no = self.near(no, 0);
        let (jt, jf) = (self.distance(yes), self.distance(no));
        // `near` made both fit.
        let byte = |distance: usize| u8::try_from(distance).unwrap_or(u8::MAX);
        self.push(operation, byte(jt), byte(jf), operand)
    }

    /// Loads a word of struct seccomp_data; what was written last runs next.
    pub(super) fn load(&mut self, offset: u32) -> Label {
        self.push(LD, 0, 0, offset)
    }

    /// Keeps these bits of the accumulator; what was written last runs next.
    pub(super) fn mask(&mut self, bits: u32) -> Label {
        self.push(AND, 0, 0, bits)
    }

    /// Makes `label` what runs next.
    pub(super) fn start(&mut self, label: Label) -> Label {
        if label + 1 == self.backward.len() {
            label
        } else {
            self.copy_or_jump(label)
        }
    }

    /// Behind `label` when that only loads what is in the accumulator already.
    pub(super) fn behind_load(&self, label: Label, offset: u32) -> Label {
        match self.backward.get(label) {
            Some(next) if next.code == LD && next.k == offset => label.saturating_sub(1),
            _ => label,
        }
    }

    /// The label itself, or one nearby that leads to it.
    fn near(&mut self, label: Label, slack: usize) -> Label {
        if self.reaches(label, slack) {
            label
        } else {
            self.copy_or_jump(label)
        }
    }

    fn copy_or_jump(&mut self, label: Label) -> Label {
        match self.backward.get(label) {
            // As short as the jump to it.
            Some(&answer) if answer.code == RET => self.fresh_answer(answer.k),
            _ => {
                // Longer than u32 is longer than the kernel takes: it refuses the program.
                let distance = u32::try_from(self.distance(label)).unwrap_or(u32::MAX);
                self.push(JA, 0, 0, distance)
            }
        }
    }

    fn reaches(&self, label: Label, slack: usize) -> bool {
        self.distance(label) + slack <= usize::from(u8::MAX)
    }

    /// How many instructions the next one would skip to get there.
    fn distance(&self, label: Label) -> usize {
        (self.backward.len() - 1).saturating_sub(label)
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.backward.push(Instruction { code, jt, jf, k });
        self.backward.len() - 1
    }
}

/// How much may be written between asking for an answer and the jump to it.
const SLACK: usize = 4;

pub(super) const JEQ: u16 = 0x15;
pub(super) const JGT: u16 = 0x25;
pub(super) const JGE: u16 = 0x35;
pub(super) const JSET: u16 = 0x45;
const LD: u16 = 0x20;
const AND: u16 = 0x54;
const JA: u16 = 0x05;
const RET: u16 = 0x06;
