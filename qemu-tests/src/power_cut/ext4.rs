//! What e2fsprogs thinks of a file system on a disk.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tool::run;

/// Takes a partition out of a disk: e2fsck opens its file a second time after it has replayed the
/// journal, and then forgets that it began at an offset.
///
/// # Errors
/// When dd(1) fails.
pub fn take_out(disk: &Path, place: &Range<u64>, file: &Path) -> Result<()> {
    let mut dd = Command::new("dd");
    dd.args(["bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse"])
        .arg(format!("skip={}", place.start))
        .arg(format!("count={}", place.end - place.start))
        .arg(format!("if={}", disk.display()))
        .arg(format!("of={}", file.display()));
    run(&mut dd)?.success().context("dd")?;
    Ok(())
}

/// Finishes what the journal of an ext4 holds, and checks all of it.
///
/// # Errors
/// When more is wrong than what a power cut may leave behind, with what e2fsck says.
pub fn check(disk: &Path) -> Result<()> {
    // `-p` mends alone what a cut explains, such as files that were removed while they were open.
    let said = run(program("e2fsck").args(["-f", "-p"]).arg(disk))?;
    let (out, err) = (&said.stdout, &said.stderr);
    ensure!([0, 1].contains(&said.status), "e2fsck: {out}{err}");
    Ok(())
}

/// The text of a file of that file system, none when it is not there.
///
/// # Errors
/// When debugfs is missing.
pub fn file(disk: &Path, path: &str) -> Result<Option<String>> {
    let request = format!("cat {path}");
    let said = run(program("debugfs").args(["-R", &request]).arg(disk))?;
    let text = said.success().context("debugfs")?;
    Ok((!text.is_empty()).then_some(text))
}

/// A program that Debian keeps off the PATH of users.
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    command
}
