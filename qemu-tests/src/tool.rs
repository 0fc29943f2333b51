//! The workstation tool under test.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How a call of the tool ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status; -1 for a signal.
    pub status: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Outcome {
    /// What it wrote to stdout.
    ///
    /// # Errors
    /// When it ended with anything but 0.
    pub fn success(self) -> Result<String> {
        if self.status != 0 {
            bail!("status {}: {}{}", self.status, self.stdout, self.stderr);
        }
        Ok(self.stdout)
    }
}

/// Runs `orlop` with these arguments and waits for its end.
///
/// # Errors
/// When it cannot be started; a bad end is an [`Outcome`].
pub fn orlop<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Outcome> {
    run(command()?.args(arguments))
}

/// Runs a command to its end with nothing on stdin.
pub(crate) fn run(command: &mut Command) -> Result<Outcome> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("start {}", command.get_program().display()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Outcome {
        status: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    })
}

/// The tool, which finds the machine's static programs beside itself or by `ORLOP_RUNTIME`.
pub(crate) fn command() -> Result<Command> {
    Ok(Command::new(path()?))
}

/// `ORLOP`, else where `make programs` puts it.
pub(crate) fn path() -> Result<PathBuf> {
    let path = match std::env::var_os("ORLOP") {
        Some(path) => PathBuf::from(path),
        None => target().join("tool/orlop"),
    };
    if !path.is_file() {
        bail!("{} is missing; `make programs` builds it", path.display());
    }
    Ok(path)
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"),
    }
}
