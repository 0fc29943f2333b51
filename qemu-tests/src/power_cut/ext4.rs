//! What e2fsprogs thinks of a file system on a disk.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tool::run;

/// Finishes what the journal holds of the ext4 that begins at byte `offset` of the disk, and checks
/// all of it.
///
/// # Errors
/// When more is wrong than what a power cut may leave behind, with what e2fsck says.
pub fn check(disk: &Path, offset: u64) -> Result<()> {
    // `-p` mends alone what a cut explains, such as files that were removed while they were open.
    let said = run(program("e2fsck").args(["-f", "-p"]).arg(at(disk, offset)))?;
    let (out, err) = (&said.stdout, &said.stderr);
    ensure!([0, 1].contains(&said.status), "e2fsck: {out}{err}");
    Ok(())
}

/// The text of a file of that file system, none when it is not there.
///
/// # Errors
/// When debugfs is missing.
pub fn file(disk: &Path, offset: u64, path: &str) -> Result<Option<String>> {
    let request = format!("cat {path}");
    let said = run(program("debugfs")
        .args(["-R", &request])
        .arg(at(disk, offset)))?;
    let text = said.success().context("debugfs")?;
    Ok((!text.is_empty()).then_some(text))
}

/// As libext2fs takes a file system within a disk.
fn at(disk: &Path, offset: u64) -> String {
    format!("{}?offset={offset}", disk.display())
}

/// A program that Debian keeps off the PATH of users.
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    command
}
