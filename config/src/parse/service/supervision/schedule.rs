//! `schedule`: a cron expression, an interval, or a table of one of them and what becomes of runs
//! that cannot be.

use std::time::Duration;

use toml::de::DeValue;

use crate::keys::Section;
use crate::parse::service::process::choice;
use crate::scalar::long_duration;
use crate::tree::{Fields, Findings, Node, quoted};
use crate::{Cron, Missed, Overlap, Schedule, Trigger};

pub(super) fn schedule(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Schedule> {
    let table = match node.value {
        DeValue::Table(table) => table,
        DeValue::String(_) => {
            let text = node.string(findings)?;
            let trigger = match text.strip_prefix("every ") {
                Some(interval) => every(node, interval.trim(), findings),
                None => cron(node, text, findings),
            };
            return Some(Schedule {
                trigger: trigger?,
                missed: Missed::Skip,
                overlap: Overlap::Skip,
            });
        }
        _ => {
            node.wrong_type(findings, "a cron expression, \"every 1h\", or a table");
            return None;
        }
    };
    let before = findings.errors();
    let fields = Fields::read(table, Section::Schedule, "schedule", findings);
    let trigger = match (fields.get("cron"), fields.get("every")) {
        (Some(cron), Some(_)) => {
            let place = fields.place("every").unwrap_or(&cron.place);
            findings.error(place, "stands beside cron; remove one of the two");
            None
        }
        (Some(node), None) => node
            .string(findings)
            .and_then(|text| cron(node, text, findings)),
        (None, Some(node)) => node
            .string(findings)
            .and_then(|text| every(node, text, findings)),
        (None, None) if findings.errors() == before => {
            node.error(
                findings,
                "does not say when; write schedule = { cron = \"0 3 * * *\" } or schedule = { every = \"1h\" }",
            );
            None
        }
        (None, None) => None,
    };
    let missed = fields.get("missed").and_then(|n| missed(n, findings));
    let overlap = fields.get("overlap").and_then(|n| overlap(n, findings));
    Some(Schedule {
        trigger: trigger?,
        missed: missed.unwrap_or_default(),
        overlap: overlap.unwrap_or_default(),
    })
}

fn cron(node: &Node<'_>, text: &str, findings: &mut Findings<'_>) -> Option<Trigger> {
    match Cron::parse(text) {
        Ok(cron) => Some(Trigger::Cron(cron)),
        Err(message) => {
            node.error(findings, message);
            None
        }
    }
}

fn every(node: &Node<'_>, text: &str, findings: &mut Findings<'_>) -> Option<Trigger> {
    let what = match long_duration(text) {
        Ok(interval) if interval < Duration::from_secs(1) => "is less than a second".to_owned(),
        Ok(interval) if interval.subsec_nanos() > 0 => "is no whole number of seconds".to_owned(),
        Ok(interval) => return Some(Trigger::Every(interval)),
        Err(what) => what,
    };
    let instead = match node.key.name {
        "every" => "every = \"1h\"",
        _ => "schedule = \"every 1h\"",
    };
    node.error(
        findings,
        format!("{} {what}; write {instead}", quoted(text)),
    );
    None
}

fn missed(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Missed> {
    match node.string(findings)? {
        "skip" => Some(Missed::Skip),
        "run" => Some(Missed::Run),
        text => {
            choice(node, findings, text, &["skip", "run"]);
            None
        }
    }
}

fn overlap(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Overlap> {
    match node.string(findings)? {
        "skip" => Some(Overlap::Skip),
        "queue" => Some(Overlap::Queue),
        "restart" => Some(Overlap::Restart),
        text => {
            choice(node, findings, text, &["skip", "queue", "restart"]);
            None
        }
    }
}
