//! `orlop check`: every finding of every manifest, with its line and a caret.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use orlop_config::{Checked, Severity};

use crate::audit::summary;
use crate::machine_folder::MachineFolder;

/// Checks the machine in `dir` and prints what it finds to stderr. Returns the exit code: 1 when
/// there is an error, else 0.
///
/// # Errors
/// When `dir` is no machine's folder.
pub fn check(dir: &Path) -> Result<u8> {
    let checked = MachineFolder::load(dir)?.check();
    let mut text = report(&checked);
    let errors = has_errors(&checked);
    if !errors {
        let count = checked.services.len();
        text += &format!(
            "{count} service{}, no errors\n",
            if count == 1 { "" } else { "s" }
        );
        text += &summary(&orlop_config::audit(&checked.services)).unwrap_or_default();
    }
    // A closed stderr changes nothing of the exit code.
    let _ = std::io::stderr().write_all(text.as_bytes());
    Ok(u8::from(errors))
}

/// Whether something in it cannot be used.
#[must_use]
pub(crate) fn has_errors(checked: &Checked) -> bool {
    checked
        .diagnostics
        .iter()
        .any(|found| found.severity == Severity::Error)
}

/// Every diagnostic as it is shown, with an empty line between two.
#[must_use]
pub(crate) fn report(checked: &Checked) -> String {
    checked
        .diagnostics
        .iter()
        .map(|found| format!("{}\n\n", found.render()))
        .collect()
}
