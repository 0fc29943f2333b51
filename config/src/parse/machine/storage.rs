//! `[storage]`: where state is kept.

use crate::DiskName;
use crate::keys::Section;
use crate::tree::{Fields, Findings, Node};

/// `state`: the disk, when another is meant than `orlop run`'s.
pub(super) fn state(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<DiskName> {
    let table = node.table(findings)?;
    let fields = Fields::read(table, Section::Storage, "storage", findings);
    let node = fields.get("state")?;
    let text = node.string(findings)?;
    node.parsed(findings, text, DiskName::parse(text))
}
