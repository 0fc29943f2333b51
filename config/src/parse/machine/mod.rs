//! `system.toml`: what is wrong falls back to its default, the rest is used.

mod access;
mod kernel;
mod network;
mod storage;
mod watchdog;

pub(in crate::parse) use kernel::{package, suite};
pub(super) use network::{is_link_name, unicast};

use crate::keys::Section;
use crate::parse::service::{Truth, pairs, table};
use crate::scalar::size;
use crate::tree::{Document, Fields, Findings, Node, Place, quoted, shown};
use crate::{Machine, VolumeName};

/// What `system.toml` says, as far as it could be read.
#[derive(Debug)]
pub(crate) struct MachineDraft {
    /// The machine.
    pub(crate) machine: Machine,
    /// Whether `machine.volumes` is all that the file declares.
    pub(crate) volumes_known: bool,
}

/// Reads `system.toml`.
pub(crate) fn parse_machine(findings: &mut Findings<'_>) -> MachineDraft {
    let document = Document::parse(findings);
    let syntax_errors = findings.len();
    let fields = Fields::read(&document.table, Section::System, "", findings);
    let mut machine = Machine::default();
    if let Some(name) = fields.get("hostname").and_then(|n| hostname(n, findings)) {
        machine.hostname = name;
    }
    if let Some(node) = fields.get("kernel") {
        kernel::kernel(node, &mut machine.kernel, findings);
    }
    if let Some(node) = fields.get("network") {
        network::network(node, &mut machine.network, findings);
    }
    machine.state = fields
        .get("storage")
        .and_then(|n| storage::state(n, findings));
    if let Some(node) = fields.get("access") {
        access::access(node, &mut machine.access, findings);
    }
    if let Some(node) = fields.get("watchdog") {
        machine.watchdog = watchdog::watchdog(node, findings);
    }
    if let Some(node) = fields.get("sysctls") {
        match node.value.is_table() {
            true => machine.sysctls = table(sysctls(node, findings)),
            false => node.wrong_type(findings, "a table"),
        }
    }
    if let Some(profiles) = fields.get("profiles").and_then(|n| n.strings(findings)) {
        machine.profiles = profiles;
    }
    let before = findings.errors();
    if let Some(node) = fields.get("volumes") {
        let _none_of_another_type = volumes(node, &mut machine, findings);
    }
    let volumes_known = document.whole && findings.errors() == before;
    findings.drop_echoes(syntax_errors, document.swallowed_from);
    MachineDraft {
        machine,
        volumes_known,
    }
}

/// A host name as RFC 1123 has it: labels of letters, digits and hyphens; 63 bytes in all, as much
/// as the kernel takes.
pub(in crate::parse) fn hostname(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.string(findings)?;
    let label = |label: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty()
            && label.bytes().all(good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 63 && text.split('.').all(label) {
        return Some(text.to_owned());
    }
    node.refuse(
        findings,
        &format!(
            "{} is no host name: letters, digits, hyphens within and dots between, at most 63",
            quoted(text)
        ),
    );
    None
}

/// `sysctls` of the machine, or of a service.
pub(in crate::parse) fn sysctls(
    node: &Node<'_>,
    findings: &mut Findings<'_>,
) -> Vec<(String, Place, String)> {
    let mut sysctls = pairs(node, Truth::Number, findings);
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    sysctls.retain(|(name, place, value)| {
        let ends = |c| name.starts_with(c) || name.ends_with(c);
        let known = name.len() <= 255 && name.contains(['.', '/']) && name.bytes().all(good);
        // A slash stands for a dot in a name: two of them would climb out of its family.
        let climbs = name.contains("..") || name.contains("//");
        let wrong = if !known || ends('.') || ends('/') || climbs {
            format!("{} is no sysctl's name", quoted(name))
        } else if value.len() > 1024 || value.chars().any(|c| c.is_control() && c != '\t') {
            "must be one line of at most 1024 bytes".to_owned()
        } else {
            return true;
        };
        findings.error(
            place,
            format!("{wrong}; write \"net.core.somaxconn\" = 4096"),
        );
        false
    });
    sysctls
}

fn volumes(node: &Node<'_>, machine: &mut Machine, findings: &mut Findings<'_>) -> Option<()> {
    for (name, place, value) in node.named(findings)? {
        let mut limit = None;
        if let Some(table) = value.value.as_table() {
            let fields = Fields::read(table, Section::Volume, &value.place.key, findings);
            limit = fields
                .get("driver_opts")
                .and_then(|options| volume_size(options, findings));
        } else {
            value.error(
                findings,
                format!("must be a table; write [volumes.{}]", shown(name)),
            );
        }
        match VolumeName::new(name) {
            Some(name) => {
                if let Some(limit) = limit {
                    machine.volume_sizes.insert(name.clone(), limit);
                }
                machine.volumes.insert(name);
            }
            None => findings.error(
                &place,
                format!("{} is no volume's name; write small letters, digits, - _ and . only, at most 63", quoted(name)),
            ),
        }
    }
    Some(())
}

fn volume_size(options: &Node<'_>, findings: &mut Findings<'_>) -> Option<u64> {
    let table = options.table(findings)?;
    let fields = Fields::read(table, Section::VolumeOptions, &options.place.key, findings);
    let node = fields.get("size")?;
    let text = node.string_or_number(findings)?;
    let what = match size(&text) {
        Some(bytes) if bytes < 1 << 20 => "is less than 1m, the least",
        Some(bytes) if i64::try_from(bytes).is_ok() => return Some(bytes),
        _ => "is no size",
    };
    node.refuse(findings, &format!("{} {what}", quoted(&text)));
    None
}
