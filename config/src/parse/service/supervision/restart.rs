//! `restart`, its delays, and the same as Compose spells it under `deploy.restart_policy`.

use std::time::Duration;

use super::deploy::Policy;
use super::{is_oneshot, refuse_second_spelling};
use crate::parse::service::process::choice;
use crate::parse::service::span::{A_MILLISECOND, span};
use crate::tree::{Fields, Findings, Node, Place, quoted};
use crate::{RestartPolicy, Supervision};

/// The words, but for `on-failure:tries`.
const WORDS: [(&str, RestartPolicy); 8] = [
    ("no", RestartPolicy::No),
    ("always", RestartPolicy::Always),
    ("unless-stopped", RestartPolicy::UnlessStopped),
    ("on-failure", RestartPolicy::OnFailure { max_retries: None }),
    ("on-success", RestartPolicy::OnSuccess),
    ("on-abnormal", RestartPolicy::OnAbnormal),
    ("on-abort", RestartPolicy::OnAbort),
    ("on-watchdog", RestartPolicy::OnWatchdog),
];

/// The policy; its delays and limit go into `supervision`, whose kind is known.
pub(super) fn restart(
    fields: &Fields<'_>,
    deploy: Option<Policy>,
    supervision: &mut Supervision,
    findings: &mut Findings<'_>,
) -> RestartPolicy {
    let written = fields
        .get("restart")
        .and_then(|n| Some((policy(n, findings)?, n.place.clone())));
    if let (Some(first), Some(deploy)) = (fields.place("restart"), &deploy) {
        refuse_second_spelling(&deploy.place, "restart", first, findings);
    }
    let other = deploy.as_ref().and_then(|deploy| deploy.condition.clone());
    let chosen = written.or(other);
    if let Some((policy, place)) = &chosen {
        refuse_endless_oneshot(*policy, place, supervision, findings);
    }
    let default = match is_oneshot(supervision.kind) {
        true => RestartPolicy::No,
        false => RestartPolicy::Always,
    };
    let mut policy = chosen.map_or(default, |(policy, _)| policy);

    let other = |deploy: Option<&(Duration, Place)>, key, findings: &mut Findings<'_>| {
        let own = fields
            .get(key)
            .and_then(|n| span(n, A_MILLISECOND, findings));
        if let (Some(first), Some((_, place))) = (fields.place(key), deploy) {
            refuse_second_spelling(place, key, first, findings);
        }
        own.or(deploy.map(|(span, _)| *span))
    };
    let policy_of = deploy.as_ref();
    let delay = other(
        policy_of.and_then(|p| p.delay.as_ref()),
        "restart_delay",
        findings,
    );
    let window = other(
        policy_of.and_then(|p| p.window.as_ref()),
        "restart_reset_after",
        findings,
    );
    let max = other(None, "restart_max_delay", findings);
    supervision.restart_delay = delay.unwrap_or(supervision.restart_delay);
    supervision.restart_reset_after = window.unwrap_or(supervision.restart_reset_after);
    if let (Some(max), Some(node)) = (max, fields.get("restart_max_delay"))
        && max < supervision.restart_delay
    {
        node.error(
            findings,
            "is shorter than the first delay; write a longer one, or a shorter restart_delay",
        );
    }
    let max = max.unwrap_or(supervision.restart_max_delay);
    supervision.restart_max_delay = max.max(supervision.restart_delay);

    if let Some(attempts) = deploy.and_then(|deploy| deploy.max_attempts) {
        match &mut policy {
            RestartPolicy::OnFailure { max_retries } => *max_retries = Some(attempts),
            _ => supervision.max_attempts = Some(attempts),
        }
    }
    policy
}

fn refuse_endless_oneshot(
    policy: RestartPolicy,
    place: &Place,
    supervision: &Supervision,
    findings: &mut Findings<'_>,
) {
    let again = matches!(
        policy,
        RestartPolicy::Always | RestartPolicy::UnlessStopped | RestartPolicy::OnSuccess
    );
    if !again || !is_oneshot(supervision.kind) {
        return;
    }
    let what = match supervision.schedule {
        Some(_) => "what has a schedule waits for its next time after a success",
        None => "a oneshot is done after a success",
    };
    findings.error(
        place,
        format!("{what}; write \"on-failure\" or \"no\", or remove it"),
    );
}

fn policy(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<RestartPolicy> {
    // YAML reads a bare no as false, so this is what a translation of it looks like.
    if let Some(again) = node.value.as_bool() {
        let word = if again { "always" } else { "no" };
        node.error(
            findings,
            format!("must be text in quotes; write restart = \"{word}\""),
        );
        return None;
    }
    if node.value.is_table() {
        node.error(
            findings,
            "must be text; write restart = \"on-failure\", or [deploy.restart_policy] for a table",
        );
        return None;
    }
    let text = node.string(findings)?;
    if let Some(tries) = text.strip_prefix("on-failure:") {
        let digits = !tries.is_empty() && tries.bytes().all(|b| b.is_ascii_digit());
        if let (true, Ok(tries @ 1..)) = (digits, tries.parse()) {
            return Some(RestartPolicy::OnFailure {
                max_retries: Some(tries),
            });
        }
        node.refuse(
            findings,
            &format!("{} is no number of tries from 1", quoted(tries)),
        );
        return None;
    }
    let mut words = WORDS.iter();
    if let Some((_, policy)) = words.find(|(word, _)| *word == text) {
        return Some(*policy);
    }
    match text {
        "never" | "none" => node.error(
            findings,
            format!("{} is not known; write \"no\"", quoted(text)),
        ),
        _ => choice(node, findings, text, &WORDS.map(|(word, _)| word)),
    }
    None
}
