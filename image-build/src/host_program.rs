//! Programs of the workstation that the tool runs.

use std::path::PathBuf;

/// A program on the PATH, or where Debian keeps those that the PATH of users leaves out.
#[must_use]
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
