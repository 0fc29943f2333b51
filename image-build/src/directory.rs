//! `-C DIR`: the machine that a verb is for whose arguments are names.

use std::path::{Path, PathBuf};

use clap::Args;

/// The machine's folder, as git(1) and make(1) name another one.
#[derive(Debug, Args)]
pub(crate) struct Directory {
    /// The machine's folder
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        default_value = "."
    )]
    directory: PathBuf,
}

impl Directory {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }
}

#[cfg(test)]
impl From<PathBuf> for Directory {
    fn from(directory: PathBuf) -> Self {
        Self { directory }
    }
}
