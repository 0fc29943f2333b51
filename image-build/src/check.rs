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
    text += &tally(&checked);
    let errors = has_errors(&checked);
    if !errors {
        text += &summary(&orlop_config::audit(&checked.services), dir).unwrap_or_default();
    }
    // A closed stderr changes nothing of the exit code.
    let _ = std::io::stderr().write_all(text.as_bytes());
    Ok(u8::from(errors))
}

/// The line below the findings: how much of what there is.
fn tally(checked: &Checked) -> String {
    let of = |severity| {
        let found = checked.diagnostics.iter();
        found.filter(|found| found.severity == severity).count()
    };
    let errors = match of(Severity::Error) {
        0 => "no errors".to_owned(),
        errors => several(errors, "error"),
    };
    let warnings = match of(Severity::Warning) {
        0 => String::new(),
        warnings => format!(", {}", several(warnings, "warning")),
    };
    let good = match (checked.services.len(), checked.broken.len()) {
        (0, 0) => "no services yet".to_owned(),
        (good, 0) => several(good, "service"),
        (good, broken) => format!("{good} of {} can run", several(good + broken, "service")),
    };
    format!("{good}, {errors}{warnings}\n")
}

/// A number of things in words.
pub(crate) fn several(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_config::{Content, Sources};

    fn said(services: &[&str]) -> String {
        let mut sources = Sources::default();
        sources.images.insert("nginx".to_owned());
        for (number, text) in services.iter().enumerate() {
            let content = Content::Bytes(text.as_bytes().to_vec());
            sources.add_service(&format!("s{number}"), content);
        }
        tally(&orlop_config::check(&sources))
    }

    #[test]
    fn the_last_line_reads_well_for_every_number() {
        let good = "image = \"nginx\"\ncommand = [\"/x\"]\n";
        let warned = "image = \"nginx\"\ncommand = [\"/x\"]\nafter = [\"none\"]\n";
        let bad = "image = \"nginx\"\n";
        assert_eq!(said(&[]), "no services yet, no errors\n");
        assert_eq!(said(&[good]), "1 service, no errors\n");
        assert_eq!(said(&[good, warned]), "2 services, no errors, 1 warning\n");
        assert_eq!(said(&[bad]), "0 of 1 service can run, 1 error\n");
        assert_eq!(
            said(&[bad, bad, good]),
            "1 of 3 services can run, 2 errors\n"
        );
    }
}
