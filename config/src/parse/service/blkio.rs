//! `blkio_config`: how fast a service may use the machine's disks.

use super::limits::bytes;
use super::lists::below_dev;
use crate::IoLimit;
use crate::keys::Section;
use crate::tree::{Fields, Findings, Node};

/// Compose's keys, and the kernel's words for them (Documentation/admin-guide/cgroup-v2, `io.max`).
const KEYS: [(&str, &str); 4] = [
    ("device_read_bps", "rbps"),
    ("device_write_bps", "wbps"),
    ("device_read_iops", "riops"),
    ("device_write_iops", "wiops"),
];

pub(super) fn io_limits(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<IoLimit>> {
    let table = node.table(findings)?;
    let fields = Fields::read(table, Section::Blkio, &node.place.key, findings);
    let mut limits = Vec::new();
    for (key, what) in KEYS {
        let entries = fields.get(key).and_then(|node| node.list(findings));
        for entry in entries.unwrap_or_default() {
            limits.extend(io_limit(&entry, what, findings));
        }
    }
    Some(limits)
}

fn io_limit(node: &Node<'_>, what: &'static str, findings: &mut Findings<'_>) -> Option<IoLimit> {
    let table = node.table(findings)?;
    let fields = Fields::read(table, Section::BlkioDevice, &node.place.key, findings);
    if fields.get("path").is_none() || fields.get("rate").is_none() {
        node.refuse(findings, "needs both path and rate");
    }
    let device = fields.get("path").and_then(|path| {
        let text = path.string(findings)?;
        path.parsed(findings, text, below_dev(text))
    });
    let most = fields.get("rate").and_then(|rate| {
        let most = bytes(rate, 0, findings)?;
        if most == 0 {
            rate.refuse(findings, "0 would be no access at all");
        }
        Some(most)
    });
    let (device, most) = device.zip(most)?;
    Some(IoLimit { device, what, most })
}
