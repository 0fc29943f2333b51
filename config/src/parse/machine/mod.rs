//! `system.toml`: what is wrong falls back to its default, the rest is used.

mod kernel;
mod network;
mod storage;
mod watchdog;

pub(in crate::parse) use kernel::{package, suite};
pub(super) use network::{is_link_name, unicast};

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use crate::keys::Section;
use crate::parse::service::choice;
use crate::tree::{Document, Fields, Findings, Node, quoted, shown};
use crate::{Access, ConsoleAccess, Machine, VolumeName};

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
    if let Some(access) = fields.get("access").and_then(|n| access(n, findings)) {
        machine.access = access;
    }
    if let Some(node) = fields.get("watchdog") {
        machine.watchdog = watchdog::watchdog(node, findings);
    }
    if let Some(sysctls) = fields.get("sysctls").and_then(|n| sysctls(n, findings)) {
        machine.sysctls = sysctls;
    }
    let before = findings.errors();
    if let Some(volumes) = fields.get("volumes").and_then(|n| volumes(n, findings)) {
        machine.volumes = volumes;
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

fn access(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Access> {
    let fields = Fields::read(node.table(findings)?, Section::Access, "access", findings);
    let node = fields.get("console")?;
    let console = match node.string(findings)? {
        "shell" => ConsoleAccess::Shell,
        "off" => ConsoleAccess::Off,
        "login" => {
            node.error(findings, "\"login\" is not supported yet; write \"off\", or \"shell\" for a shell without a password");
            return None;
        }
        text => {
            choice(node, findings, text, &["shell", "off"]);
            return None;
        }
    };
    Some(Access { console })
}

fn sysctls(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<BTreeMap<String, String>> {
    let mut sysctls = BTreeMap::new();
    for (name, place, value) in node.named(findings)? {
        if let DeValue::Table(_) = value.value {
            findings.error(
                &place,
                "a name with dots needs quotes; write \"net.core.somaxconn\" = 4096",
            );
            continue;
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
        let known = name.len() <= 255 && name.contains(['.', '/']) && name.bytes().all(good);
        if !known
            || name.starts_with(['.', '/'])
            || name.ends_with(['.', '/'])
            || name.contains("..")
        {
            findings.error(
                &place,
                format!(
                    "{} is no sysctl's name; write \"net.core.somaxconn\" = 4096",
                    quoted(name)
                ),
            );
            continue;
        }
        if let Some(is) = value.value.as_bool() {
            value.error(
                findings,
                format!(
                    "must be a number or text; write \"{}\" = {}",
                    shown(name),
                    u8::from(is)
                ),
            );
            continue;
        }
        let Some(text) = value.string_or_number(findings) else {
            continue;
        };
        if text.len() > 1024 || text.chars().any(|c| c.is_control() && c != '\t') {
            value.error(
                findings,
                "must be one line of at most 1024 bytes; write \"net.core.somaxconn\" = 4096",
            );
            continue;
        }
        sysctls.insert(name.to_owned(), text);
    }
    Some(sysctls)
}

fn volumes(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<BTreeSet<VolumeName>> {
    let mut volumes = BTreeSet::new();
    for (name, place, value) in node.named(findings)? {
        if let Some(table) = value.value.as_table() {
            Fields::read(table, Section::Volume, &value.place.key, findings);
        } else {
            value.error(
                findings,
                format!("must be a table; write [volumes.{}]", shown(name)),
            );
        }
        match VolumeName::new(name) {
            Some(name) => {
                volumes.insert(name);
            }
            None => findings.error(
                &place,
                format!("{} is no volume's name; write small letters, digits, - _ and . only, at most 63", quoted(name)),
            ),
        }
    }
    Some(volumes)
}
