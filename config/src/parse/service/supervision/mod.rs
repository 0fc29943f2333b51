//! How a service is kept running: one file for each family of keys.

mod deploy;
mod exit_status;
mod failure;
mod health;
mod kind;
mod needs;
mod order;
mod restart;
mod scale;
mod schedule;
mod start_limit;

use std::time::Duration;

use super::span::{A_MILLISECOND, span};
use crate::tree::{Fields, Findings, Node, Place};
use crate::{Kind, RestartPolicy, ServiceName, Supervision};

/// What the keys of supervision say, with the places of what only the other files can judge.
#[derive(Debug)]
pub(super) struct Supervised {
    /// All of it, with the names as they are written.
    pub(super) supervision: Supervision,
    /// `restart`, or `deploy.restart_policy.condition`.
    pub(super) restart: RestartPolicy,
    /// `after` and `before`.
    pub(super) order: Vec<Ordered>,
    /// `on_failure = "start:name"`.
    pub(super) rescue: Option<(ServiceName, Place)>,
    /// `scale`, or `deploy.replicas`.
    pub(super) scale: Option<(u32, Place)>,
}

/// One entry of `after` or `before`.
#[derive(Debug)]
pub(crate) struct Ordered {
    /// The other service.
    pub(crate) name: ServiceName,
    /// Whether the other one is the first of the two.
    pub(crate) after: bool,
    /// Where that is written.
    pub(crate) place: Place,
}

pub(super) fn supervised(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Supervised {
    let mut supervision = Supervision::default();
    let deploy = deploy::deploy(fields, findings);

    supervision.schedule = fields
        .get("schedule")
        .and_then(|n| schedule::schedule(n, findings));
    supervision.kind = kind::kind(fields, findings);
    let restart = restart::restart(fields, deploy.policy, &mut supervision, findings);
    supervision.start_limit = fields
        .get("start_limit")
        .and_then(|n| start_limit::start_limit(n, &supervision, findings));
    exit_status::exit_statuses(fields, &mut supervision, findings);

    let before = findings.errors();
    supervision.health = fields
        .get("healthcheck")
        .and_then(|n| health::healthcheck(n, findings));
    // Not written, or turned off; what could not be read is told already.
    let unasked = supervision.health.is_none() && findings.errors() == before;
    kind::readiness(fields, unasked, &mut supervision, findings);
    failure::on_unhealthy(fields, &mut supervision, findings);
    supervision.watchdog = fields
        .get("watchdog")
        .and_then(|n| span(n, A_MILLISECOND, findings));
    kind::refuse_for_oneshots(fields, supervision.kind, findings);

    let rescue = failure::on_failure(fields, &mut supervision, restart, findings);
    supervision.oom_policy = failure::oom_policy(fields, findings);
    supervision.needs = fields
        .get("needs")
        .and_then(|n| needs::needs(n, findings))
        .unwrap_or_default();
    let order = order::order(fields, findings);
    for Ordered { name, after, .. } in &order {
        let names = match after {
            true => &mut supervision.after,
            false => &mut supervision.before,
        };
        names.insert(name.clone());
    }
    let scale = scale::scale(fields, deploy.replicas, findings);
    let none = scale.as_ref().is_some_and(|(count, _)| *count == 0);
    supervision.start_at_boot = !none && supervision.schedule.is_none();
    Supervised {
        supervision,
        restart,
        order,
        rescue,
        scale,
    }
}

/// A duration at a key, or what it is when not written.
fn span_or(
    fields: &Fields<'_>,
    key: &str,
    least: Duration,
    default: Duration,
    findings: &mut Findings<'_>,
) -> Duration {
    let found = fields.get(key).and_then(|n| span(n, least, findings));
    found.unwrap_or(default)
}

/// A number of at least 1.
fn count(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<u32> {
    let number = node.integer(findings)?;
    match u32::try_from(number) {
        Ok(count @ 1..) => Some(count),
        _ => {
            node.refuse(findings, &format!("{number} is no number from 1"));
            None
        }
    }
}

/// Reports that a key says the same as another one, with the line of that.
pub(super) fn refuse_second_spelling(
    place: &Place,
    first: &str,
    at: &Place,
    findings: &mut Findings<'_>,
) {
    let line = findings.text.line_number(at.span.start);
    findings.error(
        place,
        format!("says the same as {first} in line {line}; keep one of the two"),
    );
}

/// Whether it runs once and ends.
fn is_oneshot(kind: Kind) -> bool {
    matches!(kind, Kind::Oneshot { .. })
}
