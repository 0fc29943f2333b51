//! `after` and `before`: order without a dependency.

use std::collections::BTreeSet;

use super::Ordered;
use crate::parse::service::depends_on::service_name;
use crate::tree::{Fields, Findings, quoted};

pub(super) fn order(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Vec<Ordered> {
    let mut order = Vec::new();
    for (key, after) in [("after", true), ("before", false)] {
        let entries = fields.get(key).and_then(|node| node.list(findings));
        let mut seen = BTreeSet::new();
        for entry in entries.unwrap_or_default() {
            let Some(text) = entry.string(findings) else {
                continue;
            };
            let Some(name) = service_name(text, &entry.place, findings) else {
                continue;
            };
            if seen.insert(name.clone()) {
                let place = entry.place;
                order.push(Ordered { name, after, place });
            } else {
                entry.error(
                    findings,
                    format!("{} is here a second time; remove it", quoted(text)),
                );
            }
        }
    }
    order
}
