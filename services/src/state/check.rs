//! e2fsck, when the file system's superblock records an error or the mount failed; never otherwise,
//! for the kernel replays the journal itself.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use orlop_sys::error::chain;

use super::answer::Answer;
use super::disk::{Disk, DiskError};
use super::superblock;

/// e2fsck's exit status is a sum (e2fsck(8)): repaired, and what makes it one that was not.
const REPAIRED: i32 = 1 | 2;
/// More would fill the console.
const LONGEST: usize = 300;

/// As `state check`: the answer names the device when it is sound now.
pub(super) fn run(device: &Path) -> Answer {
    let mut answer = Answer::default();
    if repair(device, &mut answer) {
        answer.device = Some(device.display().to_string());
    }
    answer
}

/// Repairs what can be repaired without a question; whether it is sound now.
pub(super) fn repair(device: &Path, answer: &mut Answer) -> bool {
    let named = device.display();
    // e2fsck takes a superblock with a wrong sum for none, and a small file system has no other.
    let torn = match mend_superblock(device) {
        Ok(torn) => torn,
        Err(error) => {
            answer.warn(chain(&error));
            return false;
        }
    };
    if torn {
        answer.say(format!(
            "{named}: its superblock was torn, as by a power cut while it was written"
        ));
    }
    let ended = beside("e2fsck").and_then(|program| {
        let mut command = Command::new(program);
        // A whole look, after what could not be trusted.
        let how = if torn { "-fp" } else { "-p" };
        command.arg(how).arg(device).stdin(Stdio::null()).output()
    });
    let output = match ended {
        Ok(output) => output,
        Err(error) => {
            answer.warn(format!("starting e2fsck for {named}: {error}"));
            return false;
        }
    };
    let said = found(&String::from_utf8_lossy(&output.stdout));
    match output.status.code() {
        Some(0) => {
            answer.say(format!("e2fsck found nothing wrong with {named}"));
            true
        }
        Some(status) if status & !REPAIRED == 0 => {
            answer.say(format!("e2fsck repaired {named}: {said}"));
            true
        }
        _ => {
            answer.warn(format!(
                "e2fsck could not repair {named} without a question: {said}; run `e2fsck {named}` on it"
            ));
            false
        }
    }
}

/// Gives a superblock that is ours, but for its sum, the right sum; whether it had to.
fn mend_superblock(device: &Path) -> Result<bool, DiskError> {
    let disk = Disk::open(device)?;
    let bytes = disk.read(superblock::OFFSET, superblock::LENGTH);
    let bytes = bytes.map_err(|source| disk.unread(source))?;
    let Some(mended) = superblock::with_right_sum(&bytes) else {
        return Ok(false);
    };
    disk.write(superblock::OFFSET, &mended)?;
    disk.sync()?;
    Ok(true)
}

/// Its lines, without the summary, as one.
fn found(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.filter(|line| !(line.contains(" files (") && line.ends_with(" blocks")));
    let mut found: Vec<&str> = lines.collect();
    if found.is_empty() {
        found.push("no word of what it was");
    }
    let mut found = found.join("; ");
    if let Some((end, _)) = found.char_indices().nth(LONGEST) {
        found.truncate(end);
        found.push('…');
    }
    found
}

/// A file beside this program.
pub(super) fn beside(name: &str) -> io::Result<PathBuf> {
    std::env::current_exe().map(|program| program.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_e2fsck_found_is_one_sentence() {
        let text = "orlop-state contains a file system with errors, check forced.\n\
                    orlop-state: Inode 13, i_blocks is 7, should be 8.  FIXED.\n\
                    orlop-state: 12/8192 files (8.3% non-contiguous), 5643/16384 blocks\n";
        assert_eq!(
            found(text),
            "orlop-state contains a file system with errors, check forced.; \
             orlop-state: Inode 13, i_blocks is 7, should be 8.  FIXED."
        );
        assert_eq!(found(""), "no word of what it was");
        assert_eq!(found(&"ä".repeat(400)).chars().count(), LONGEST + 1);
    }
}
