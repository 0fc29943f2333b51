//! `scale`: how many instances.

use super::refuse_second_spelling;
use crate::tree::{Fields, Findings, Node, Place};

/// The most instances of one service.
const MOST: u32 = 1000;

pub(super) fn scale(
    fields: &Fields<'_>,
    replicas: Option<(u32, Place)>,
    findings: &mut Findings<'_>,
) -> Option<(u32, Place)> {
    let node = fields.get("scale");
    if let (Some(first), Some((_, place))) = (fields.place("scale"), &replicas) {
        refuse_second_spelling(place, "scale", first, findings);
    }
    let scale = node.and_then(|n| Some((instances(n, findings)?, n.place.clone())));
    let (count, place) = scale.or(replicas)?;
    if fields.get("schedule").is_some() && count != 1 {
        findings.error(
            &place,
            "what has a schedule runs alone; write scale = 1, or remove schedule",
        );
        return None;
    }
    let ports = fields.get("ports");
    let ports = ports.filter(|n| n.value.as_array().is_some_and(|list| !list.is_empty()));
    if let Some(node) = ports.filter(|_| count > 1) {
        let line = findings.text.line_number(place.span.start);
        node.error(
            findings,
            format!(
                "the {count} instances of line {line} cannot all have the same port of the machine; remove ports or scale, or copy the folder for each port"
            ),
        );
    }
    Some((count, place))
}

/// A number of instances.
pub(super) fn instances(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<u32> {
    let number = node.integer(findings)?;
    let count = u32::try_from(number).ok().filter(|count| *count <= MOST);
    if count.is_none() {
        node.refuse(
            findings,
            &format!("{number} is no number of instances from 0 to {MOST}"),
        );
    }
    count
}
