//! `ulimits`: a number for both, or `{ soft, hard }`.

use super::limits::within;
use super::process::choice;
use crate::keys::Section;
use crate::tree::{Fields, Findings, Node};
use crate::{Isolation, Ulimit};

/// The most open files that the kernel allows anybody (`fs.nr_open`).
const MOST_FILES: i64 = 1_048_576;
/// The fewest that a program starts with: its streams, and what a launch passes.
const FEWEST_FILES: i64 = 32;

pub(super) fn ulimits(
    node: &Node<'_>,
    isolation: Isolation,
    findings: &mut Findings<'_>,
) -> Option<Vec<Ulimit>> {
    let mut limits = Vec::new();
    for (name, place, value) in node.named(findings)? {
        let Some(known) = Ulimit::ALL.iter().find(|known| known.name == name) else {
            let place = Node { place, ..value };
            match name {
                "rss" | "locks" => {
                    place.error(findings, "has no effect since Linux 2.4; remove it");
                }
                _ => choice(&place, findings, name, &Ulimit::ALL.map(|known| known.name)),
            }
            continue;
        };
        let Some((soft, hard)) = both(&value, *known, findings) else {
            continue;
        };
        if soft > hard {
            value.error(findings, "soft is more than hard; write a smaller soft");
        }
        if matches!(name, "nice" | "rtprio") && hard > 0 && isolation == Isolation::Restricted {
            findings.error(
                &place,
                "takes the CPU from all others, which isolation = \"restricted\" does not; remove it, or write isolation = \"baseline\"",
            );
        }
        limits.push(known.at(soft, hard));
    }
    Some(limits)
}

fn both(node: &Node<'_>, limit: Ulimit, findings: &mut Findings<'_>) -> Option<(u64, u64)> {
    let Some(table) = node.value.as_table() else {
        let both = value(node, limit, findings)?;
        return Some((both, both));
    };
    let fields = Fields::read(table, Section::Ulimit, &node.place.key, findings);
    let mut value = |key| value(fields.get(key)?, limit, findings);
    let both = (value("soft"), value("hard"));
    if fields.get("soft").is_none() || fields.get("hard").is_none() {
        node.refuse(findings, "needs both soft and hard");
    }
    both.0.zip(both.1)
}

fn value(node: &Node<'_>, limit: Ulimit, findings: &mut Findings<'_>) -> Option<u64> {
    let (least, most) = match limit == Ulimit::NOFILE {
        true => (FEWEST_FILES, MOST_FILES),
        false => (-1, i64::MAX),
    };
    // -1 is no limit.
    within(node, least, most, findings).map(|number| u64::try_from(number).unwrap_or(u64::MAX))
}
