//! The compiler against a model, libseccomp and the running kernel; the profile by name.

mod agreement;
mod interpreter;
mod names;
mod oracle;
mod random;

use super::Architecture;
use super::calls::{CALLS, NO};

const ARCHITECTURES: [Architecture; 3] = [
    Architecture::X86_64,
    Architecture::I386,
    Architecture::Aarch64,
];

fn column(architecture: Architecture) -> usize {
    ARCHITECTURES
        .iter()
        .position(|&known| known == architecture)
        .unwrap()
}

/// The table's number of a call.
fn number(architecture: Architecture, name: &str) -> Option<u32> {
    let (_, numbers) = CALLS.iter().find(|(known, _)| *known == name)?;
    let number = numbers[column(architecture)];
    (number != NO).then(|| number.into())
}

/// The audit word of an architecture that no filter here knows (s390x).
const FOREIGN: u32 = 0x8000_0016;
