//! `success_exit_status`, `restart_prevent_exit_status`, `restart_force_exit_status`.

use toml::de::DeValue;

use crate::tree::{Fields, Findings, Node, quoted};
use crate::{EndStatus, Signal, Supervision};

pub(super) fn exit_statuses(
    fields: &Fields<'_>,
    supervision: &mut Supervision,
    findings: &mut Findings<'_>,
) {
    supervision.success_exit_status = list(fields, "success_exit_status", findings);
    supervision.restart_prevent_exit_status = list(fields, "restart_prevent_exit_status", findings);
    supervision.restart_force_exit_status = list(fields, "restart_force_exit_status", findings);
    let prevent = &supervision.restart_prevent_exit_status;
    let mut both = supervision
        .restart_force_exit_status
        .iter()
        .filter(|status| prevent.contains(status));
    if let (Some(status), Some(place)) = (both.next(), fields.place("restart_force_exit_status")) {
        let status = match status {
            EndStatus::Code(code) => code.to_string(),
            EndStatus::Signal(signal) => quoted(&signal.name()),
        };
        findings.error(
            place,
            format!(
                "{status} is in restart_prevent_exit_status too; remove it from one of the two"
            ),
        );
    }
}

fn list(fields: &Fields<'_>, key: &str, findings: &mut Findings<'_>) -> Vec<EndStatus> {
    let mut list = Vec::new();
    let entries = fields.get(key).and_then(|node| node.list(findings));
    for entry in entries.unwrap_or_default() {
        match status(&entry, findings) {
            Some(status) if list.contains(&status) => {
                entry.error(findings, "is here a second time; remove it");
            }
            status => list.extend(status),
        }
    }
    list
}

fn status(entry: &Node<'_>, findings: &mut Findings<'_>) -> Option<EndStatus> {
    if let DeValue::Integer(_) = entry.value {
        let number = entry.integer(findings)?;
        let code = u8::try_from(number).ok();
        if code.is_none() {
            let key = entry.key.name;
            entry.error(
                findings,
                format!("{number} is no exit code from 0 to 255; write {key} = [75]"),
            );
        }
        return code.map(EndStatus::Code);
    }
    let Some(text) = entry.value.as_str() else {
        entry.wrong_type(findings, "an exit code, or a signal in quotes");
        return None;
    };
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        entry.error(
            findings,
            format!(
                "{} is text; write {text} for the exit code, or a signal by its name",
                quoted(text)
            ),
        );
        return None;
    }
    match Signal::parse(text) {
        Ok(signal) => Some(EndStatus::Signal(signal)),
        Err(message) => {
            entry.error(findings, message);
            None
        }
    }
}
