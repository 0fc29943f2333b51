//! `type`, `remain_after_exit`, `readiness` and `start_timeout`.

use std::time::Duration;

use super::is_oneshot;
use crate::parse::service::process::choice;
use crate::parse::service::span::{A_MILLISECOND, span};
use crate::tree::{Fields, Findings, Node, quoted};
use crate::{Kind, Readiness, Supervision};

/// `start_timeout` of what says itself when it is ready: systemd's.
const START_TIMEOUT: Duration = Duration::from_secs(90);
/// Descriptors that a service may write its line to.
const DESCRIPTORS: std::ops::RangeInclusive<u32> = 3..=1023;

pub(super) fn kind(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Kind {
    let remain = fields.get("remain_after_exit");
    let remain_after_exit = remain.and_then(|n| n.boolean(findings)).unwrap_or_default();
    let scheduled = fields.get("schedule").is_some();
    let written = fields.get("type").map(|n| (n, word(n, findings)));
    let oneshot = match &written {
        Some((_, word)) => *word == Some("oneshot"),
        None => scheduled,
    };
    match (&written, remain) {
        (Some((node, Some("service"))), _) if scheduled => node.error(
            findings,
            "\"service\" never ends, but what has a schedule runs once each time; remove it, or write \"oneshot\"",
        ),
        (_, Some(node)) if scheduled && remain_after_exit => node.error(
            findings,
            "what counts as up after its end is not run a second time; remove it, or schedule",
        ),
        (Some((_, Some(_))) | None, Some(node)) if !oneshot => node.error(
            findings,
            "only a oneshot has an end that counts; write type = \"oneshot\" too, or remove it",
        ),
        _ => {}
    }
    match oneshot {
        true => Kind::Oneshot { remain_after_exit },
        false => Kind::Service,
    }
}

fn word(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<&'static str> {
    match node.string(findings)? {
        "service" => Some("service"),
        "oneshot" => Some("oneshot"),
        "notify" | "notify-reload" => {
            node.error(
                findings,
                "\"notify\" is a readiness here; write readiness = \"notify\"",
            );
            None
        }
        text @ ("simple" | "exec" | "forking" | "idle" | "dbus") => {
            node.error(
                findings,
                format!(
                    "{} is systemd's; write \"service\", and command so that it stays in the foreground",
                    quoted(text)
                ),
            );
            None
        }
        text => {
            choice(node, findings, text, &["service", "oneshot"]);
            None
        }
    }
}

/// `readiness` and `start_timeout`; `unasked` when there is no health check.
pub(super) fn readiness(
    fields: &Fields<'_>,
    unasked: bool,
    supervision: &mut Supervision,
    findings: &mut Findings<'_>,
) {
    let node = fields.get("readiness");
    let found = node.and_then(|n| one_of(n, findings));
    supervision.readiness = found.unwrap_or_default();
    if let (Some(node), Readiness::Healthy) = (node, supervision.readiness)
        && unasked
        && !fields.meant(&["healthcheck"])
    {
        node.error(
            findings,
            "there is no healthcheck that could pass; write healthcheck = { http = \":80/\" } too",
        );
    }
    let oneshot = is_oneshot(supervision.kind);
    let waits = supervision.readiness != Readiness::Started;
    supervision.start_timeout = waits.then_some(START_TIMEOUT);
    let Some(node) = fields.get("start_timeout") else {
        return;
    };
    if node.value.as_str() == Some("infinity") {
        supervision.start_timeout = None;
    } else if let Some(timeout) = span(node, A_MILLISECOND, findings) {
        supervision.start_timeout = Some(timeout);
        // What cannot be read is told already.
        if !waits && !oneshot && (fields.get("readiness").is_none() || found.is_some()) {
            findings.warning(
                &node.place,
                "has no effect on what is up once its program runs; write readiness too, or remove it",
            );
        }
    }
}

fn one_of(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Readiness> {
    let text = node.string(findings)?;
    if let Some(number) = text.strip_prefix("fd:") {
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number = number.parse().ok().filter(|_| digits);
        let fd = number.filter(|number| DESCRIPTORS.contains(number));
        if fd.is_none() {
            node.error(
                findings,
                format!(
                    "{} is no descriptor from 3 to 1023; write \"fd:3\"",
                    quoted(text)
                ),
            );
        }
        return fd.map(Readiness::Fd);
    }
    match text {
        "started" => Some(Readiness::Started),
        "notify" => Some(Readiness::Notify),
        "healthy" => Some(Readiness::Healthy),
        "fd" => {
            node.error(findings, "says no descriptor; write \"fd:3\"");
            None
        }
        _ => {
            choice(
                node,
                findings,
                text,
                &["started", "notify", "fd:3", "healthy"],
            );
            None
        }
    }
}

/// What asks a running service makes no sense for one that is up once it has ended.
pub(super) fn refuse_for_oneshots(fields: &Fields<'_>, kind: Kind, findings: &mut Findings<'_>) {
    if !is_oneshot(kind) {
        return;
    }
    for key in ["readiness", "watchdog", "healthcheck"] {
        if let Some(place) = fields.place(key) {
            findings.error(
                place,
                "a oneshot is up once it has ended with success; remove it, or write type = \"service\" without schedule",
            );
        }
    }
}
