//! The seccomp filter: Docker's default profile with the stricter of two answers where containerd
//! or the rules differ, compiled to a balanced search.
//!
//! ```text
//! names, lists --compile time--> Profile --> Verdict by number --compile()--> classic BPF
//! ```
//! A call is *allowed*, *denied* (EPERM: the kernel has it, the service may not) or *missing*
//! (ENOSYS: programs then try what older kernels have; rule R20), which is also what a call newer
//! than the table gets. `clone3` is missing without CAP_SYS_ADMIN, since a filter cannot see its
//! flags. Programs of another architecture (i386 on x86-64) are killed: `docs/isolation.md`.

mod allowed;
mod assembler;
mod calls;
mod compile;
mod gated;
mod profile;
mod rule;
#[expect(
    clippy::indexing_slicing,
    reason = "all of it runs at compile time, where a bad index is a compile error"
)]
mod table;

use std::sync::{Arc, Mutex, PoisonError};

use orlop_sys::seccomp::Instruction;

pub use compile::{Architecture, Calls, Mode, compile};
pub use profile::{Families, Profile};
pub use rule::{Action, Comparison, Condition, Rule, Verdict};

/// A compiled filter, shared by all who have the same profile.
pub type Program = Arc<[Instruction]>;

/// The filter of a profile: compiled once, as long as no more than 16 others come between.
#[must_use]
pub fn program(profile: &Profile) -> Program {
    static COMPILED: Mutex<Vec<(Profile, Program)>> = Mutex::new(Vec::new());
    let profile = profile.reduced();
    // Nothing panics while it is held.
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, program)) = compiled.iter().find(|(known, _)| *known == profile) {
        return program.clone();
    }
    let program: Program = for_architecture(&profile, Architecture::NATIVE).into();
    if compiled.len() == MOST_KEPT {
        compiled.remove(0);
    }
    compiled.push((profile, program.clone()));
    program
}

const MOST_KEPT: usize = 16;

fn for_architecture(profile: &Profile, architecture: Architecture) -> Vec<Instruction> {
    let verdicts = profile.verdicts(architecture);
    let calls = Calls {
        architecture,
        verdicts: &verdicts,
        unknown: Action::MISSING,
    };
    // Numbers mean something else to it: nothing of it can be allowed by half.
    compile(&[calls], Action::KillProcess, profile.mode)
}

#[cfg(test)]
mod tests;
