//! `start_limit`: how many automatic restarts are too many.

use std::time::Duration;

use super::{count, span_or};
use crate::keys::Section;
use crate::parse::service::span::{A_MILLISECOND, span};
use crate::tree::{Fields, Findings, Node};
use crate::{StartLimit, Supervision};

/// systemd's DefaultStartLimitBurst.
const BURST: u32 = 5;
/// systemd's DefaultStartLimitIntervalSec.
const INTERVAL: Duration = Duration::from_secs(10);

/// The delays of `supervision` are known.
pub(super) fn start_limit(
    node: &Node<'_>,
    supervision: &Supervision,
    findings: &mut Findings<'_>,
) -> Option<StartLimit> {
    let table = node.table(findings)?;
    let before = findings.errors();
    let fields = Fields::read(table, Section::StartLimit, "start_limit", findings);
    let limit = StartLimit {
        burst: fields
            .get("burst")
            .and_then(|n| count(n, findings))
            .unwrap_or(BURST),
        interval: span_or(&fields, "interval", A_MILLISECOND, INTERVAL, findings),
        retry_after: fields
            .get("retry_after")
            .and_then(|n| span(n, A_MILLISECOND, findings)),
    };
    let least = quickest(limit.burst, supervision);
    if findings.errors() == before && least > limit.interval {
        let (burst, least) = (limit.burst, least.as_secs() + 1);
        findings.warning(
            &node.place,
            format!("is never reached, as {burst} restarts take longer with their delays; write interval = \"{least}s\", a smaller burst, or a shorter restart_delay"),
        );
    }
    Some(limit)
}

/// How little time can lie between a restart and the last one of the `burst` after it: the delays in
/// between, each a tenth shorter by its jitter, or no delay after a run that begins the row anew.
fn quickest(burst: u32, supervision: &Supervision) -> Duration {
    let mut total = Duration::ZERO;
    let mut delay = supervision.restart_delay;
    for _ in 0..burst.min(100_000) {
        delay = delay.saturating_mul(2).min(supervision.restart_max_delay);
        let gap = delay.min(supervision.restart_reset_after);
        total = total.saturating_add(gap * 9 / 10);
    }
    total
}
