//! Durations, with the least that makes sense for a key.

use std::time::Duration;

use crate::scalar::duration;
use crate::tree::{Findings, Node, quoted};

/// The shortest time that is told from none.
pub(super) const A_MILLISECOND: Duration = Duration::from_millis(1);

/// A duration of at least `least`.
pub(in crate::parse) fn span(
    node: &Node<'_>,
    least: Duration,
    findings: &mut Findings<'_>,
) -> Option<Duration> {
    if let Some(number) = node.value.as_integer() {
        let name = node.key.name;
        node.error(
            findings,
            format!("has no unit; write {name} = \"{number}s\" for seconds"),
        );
        return None;
    }
    let text = node.string(findings)?;
    let span = node.parsed(findings, text, duration(text))?;
    if span < least {
        let least = least.as_millis();
        node.refuse(
            findings,
            &format!("{} is less than {least}ms, the least", quoted(text)),
        );
        return None;
    }
    Some(span)
}
