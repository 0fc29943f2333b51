//! Applet `state`: the state partition, before it is mounted and after. PID 1 runs it in a child with
//! a deadline, for it waits on a disk; not in a container, but with the few capabilities that it
//! needs.
//!
//! ```text
//! state prepare-disk DISK      the boot disk: its table, its partition `orlop-state`, then as below
//! state prepare DEVICE         a disk or partition that `system.toml` names: written to when blank
//! state check DEVICE           e2fsck, when the mount failed
//! state settle DEVICE MOUNT    mounted: its own UUID, and as large as its device
//! state quota DIRECTORY BYTES  a volume's size
//! ```
//!
//! Each can be cut off at any instant: the next boot goes on. Decisions are pure ([`gpt`],
//! [`signature`], [`superblock`]), and what is not blank and not ours is never written to.

pub mod answer;
mod check;
pub mod disk;
pub mod gpt;
mod prepare;
pub mod quota;
pub mod settle;
pub mod signature;
pub mod superblock;
pub mod template;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use answer::Answer;
use orlop_sys::error::chain;

/// Why it could not do its work; what it found is an [`answer::Answer`].
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It was called with other words.
    #[error(
        "call it as state prepare-disk|prepare|check DEVICE, settle DEVICE MOUNT or quota DIRECTORY BYTES"
    )]
    Usage,
    /// A volume's size.
    #[error(transparent)]
    Quota(#[from] quota::QuotaError),
    /// The answer.
    #[error("write {}", answer::PATH)]
    Answer(#[source] io::Error),
}

/// Does what the words say.
///
/// # Errors
/// Each step's; PID 1 is told by [`answer::Answer`] what people should know.
pub fn run(arguments: &[OsString]) -> Result<(), StateError> {
    let words: Vec<&Path> = arguments.iter().map(Path::new).collect();
    let [verb, operands @ ..] = words.as_slice() else {
        return Err(StateError::Usage);
    };
    let answer = match (verb.to_str().unwrap_or_default(), operands) {
        ("prepare-disk", [disk]) => prepare::boot_disk(disk),
        ("prepare", [device]) => prepare::named(device),
        ("check", [device]) => check::run(device),
        ("settle", [device, mount]) => settle::run(device, mount).unwrap_or_else(|error| {
            let mut answer = Answer::default();
            answer.warn(chain(&error));
            answer
        }),
        ("quota", [directory, bytes]) => {
            let bytes = bytes.to_str().and_then(|bytes| bytes.parse().ok());
            return Ok(quota::run(directory, bytes.ok_or(StateError::Usage)?)?);
        }
        _ => return Err(StateError::Usage),
    };
    answer.write().map_err(StateError::Answer)
}

/// A size as people say it: whole MiB below 10 GiB, else whole GiB.
fn size(bytes: u64) -> String {
    match bytes >> 20 {
        mib if mib >= 10 << 10 => format!("{} GiB", mib >> 10),
        mib => format!("{mib} MiB"),
    }
}
