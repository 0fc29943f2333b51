//! `[watchdog]`.

use std::path::PathBuf;
use std::time::Duration;

use crate::Watchdog;
use crate::keys::Section;
use crate::parse::service::{below_dev, span};
use crate::tree::{Fields, Findings, Node};

/// PID 1 feeds it twice in this time, and has to breathe between.
const LEAST: Duration = Duration::from_secs(2);

/// The watchdog that is asked for; none without `timeout`.
pub(super) fn watchdog(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Watchdog> {
    let fields = Fields::read(
        node.table(findings)?,
        Section::Watchdog,
        "watchdog",
        findings,
    );
    let device = match fields.get("device") {
        Some(node) => device(node, findings),
        None => Some(PathBuf::from("/dev/watchdog")),
    };
    let Some(timeout) = fields.get("timeout") else {
        findings.error(
            &node.place,
            "has no timeout; write timeout = \"30s\" below it, or remove [watchdog]",
        );
        return None;
    };
    let timeout = span(timeout, LEAST, findings)?;
    Some(Watchdog {
        // The kernel counts whole seconds.
        timeout: Duration::from_secs(timeout.as_secs()),
        device: device?,
    })
}

fn device(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<PathBuf> {
    let text = node.string(findings)?;
    node.parsed(findings, text, below_dev(text))
}
