//! A whole Compose project in the place of one file of ours.

use std::ops::Range;

use crate::tree::text::shown;

/// A whole `docker-compose.yml`: where it says so, and what to do with it. No line of it is TOML, so
/// one sentence is worth more than one a line.
pub(super) fn project(text: &str) -> Option<(Range<usize>, String)> {
    let begun = |line: &&str| !line.trim().is_empty() && !line.starts_with(['#', '-']);
    // TOML may well have some YAML within a text of many lines.
    if text.lines().find(begun)?.contains(['=', '[']) {
        return None;
    }
    let at = match text.starts_with("services:") {
        true => 0,
        false => text.find("\nservices:")? + 1,
    };
    let below = text.get(at..)?;
    let mut lines = below.lines();
    let rest = lines.next()?.strip_prefix("services:")?.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return None;
    }
    let mut files = String::new();
    let mut indent = 0;
    for line in lines {
        let entry = line.trim_start();
        let blanks = line.len() - entry.len();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        if blanks == 0 {
            break;
        }
        indent = if indent == 0 { blanks } else { indent };
        let name = entry
            .split(':')
            .next()
            .unwrap_or("")
            .trim_matches(['"', '\'']);
        if blanks != indent || !entry.contains(':') || name.is_empty() {
            continue;
        }
        if !files.is_empty() {
            files += ", ";
        }
        if files.len() > 60 {
            files += "…";
            break;
        }
        files += &format!("{0} into services/{0}/service.toml", shown(name));
    }
    if files.is_empty() {
        files += "each service into services/<name>/service.toml";
    }
    let message = format!(
        "this is a docker-compose.yml, but here each service has a file of its own, in TOML; write {files}, with key = \"value\" for each key: value"
    );
    Some((at..at + "services:".len(), message))
}
