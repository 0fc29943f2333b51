//! What only the workstation can know, or asks before a machine is made of it: files that are not there,
//! variables that nobody replaces, what a launch is bound to refuse. The machine has no use for it; the
//! linker leaves it out of PID 1.

use std::path::Path;

use super::{Checked, File, Sources, check_with};
use crate::keys::Section;
use crate::parse::{Truth, pairs};
use crate::scalar::folder_relative;
use crate::tree::{Document, Fields, Findings, quoted};
use crate::{Machine, NetworkMode, Service, SourceFile, UsernsMode, VolumeSource};

/// Debian's suite whose kernel is Linux 6.1.
const LINUX_6_1: &str = "bookworm";

/// Folders below `/dev`, each with a node as it is written.
const DEVICE_FOLDERS: [(&str, &str); 12] = [
    ("/dev/bus", "/dev/bus/usb/001/002"),
    ("/dev/bus/usb", "/dev/bus/usb/001/002"),
    ("/dev/cpu", "/dev/cpu/0/msr"),
    ("/dev/disk", "/dev/vda"),
    ("/dev/dri", "/dev/dri/renderD128"),
    ("/dev/dvb", "/dev/dvb/adapter0/frontend0"),
    ("/dev/infiniband", "/dev/infiniband/uverbs0"),
    ("/dev/input", "/dev/input/event0"),
    ("/dev/mapper", "/dev/dm-0"),
    ("/dev/net", "/dev/net/tun"),
    ("/dev/snd", "/dev/snd/pcmC0D0p"),
    ("/dev/vfio", "/dev/vfio/vfio"),
];

/// The same as [`check`](super::check), and what is seen on the workstation alone. `exists` says
/// whether a service's folder has a file or folder at a path.
#[must_use]
pub fn check_before_build(sources: &Sources, exists: &dyn Fn(&str, &Path) -> bool) -> Checked {
    check_with(sources, |machine, files| {
        for (name, file) in files {
            // What is wrong in itself is to be mended first.
            let source = sources.services.get(name.as_str());
            if let Some(source) = source.filter(|_| file.findings.errors() == 0) {
                check_file(machine, source, file, &|path| exists(name.as_str(), path));
            }
        }
    })
}

fn check_file(
    machine: &Machine,
    source: &SourceFile,
    file: &mut File<'_>,
    exists: &dyn Fn(&Path) -> bool,
) {
    let Some(service) = &file.draft.service else {
        return;
    };
    // Read again for the places; all that could be said of it has been.
    let mut again = Findings::new(source);
    let document = Document::parse(&mut again);
    let fields = Fields::read(&document.table, Section::Service, "", &mut again);
    let findings = &mut file.findings;
    volumes(service, &fields, exists, &mut again, findings);
    build_files(service, &fields, exists, &mut again, findings);
    if let Some(node) = fields.get("environment") {
        for (_, place, value) in pairs(node, Truth::Text, &mut again) {
            if let Some(variable) = variable(&value) {
                findings.warning(
                    &place,
                    format!(
                        "{} stays as it is, as nothing is replaced here; write the value itself, unless the program replaces it",
                        quoted(variable)
                    ),
                );
            }
        }
    }
    let hidden = machine.kernel.suite == LINUX_6_1
        && service.userns_mode == UsernsMode::Private
        && service.network_mode != NetworkMode::Host;
    if let Some(node) = fields.get("sysctls").filter(|_| hidden) {
        for (name, place, _) in pairs(node, Truth::Number, &mut again) {
            if name.replace('/', ".").starts_with("net.core.") {
                findings.error(
                    &place,
                    "does not exist in a user namespace of Linux 6.1; remove it, or write userns_mode = \"host\" too",
                );
            }
        }
    }
    for (device, place) in &file.draft.devices {
        let mut parts = device.iter().filter_map(|part| part.to_str());
        if parts.any(|part| part.starts_with("by-")) {
            let device = quoted(&device.to_string_lossy());
            findings.error(
                place,
                format!("{device} is a link of udev's, which does not run here; write the kernel's own name, such as \"/dev/ttyUSB0\""),
            );
            continue;
        }
        let mut folders = DEVICE_FOLDERS.iter();
        if let Some((folder, node)) = folders.find(|(folder, _)| device == Path::new(folder)) {
            findings.error(
                place,
                format!(
                    "{} is a folder; write each node by itself, such as \"{node}\"",
                    quoted(folder)
                ),
            );
        }
    }
}

fn volumes(
    service: &Service,
    fields: &Fields<'_>,
    exists: &dyn Fn(&Path) -> bool,
    again: &mut Findings<'_>,
    findings: &mut Findings<'_>,
) {
    let entries = fields.get("volumes").and_then(|node| node.list(again));
    // Without an error each entry has become a mount.
    for (entry, mount) in entries.unwrap_or_default().iter().zip(&service.volumes) {
        if let VolumeSource::Folder(path) = &mount.source
            && !exists(path)
        {
            findings.error(&entry.place, missing(service, path));
        }
    }
}

fn build_files(
    service: &Service,
    fields: &Fields<'_>,
    exists: &dyn Fn(&Path) -> bool,
    again: &mut Findings<'_>,
    findings: &mut Findings<'_>,
) {
    let table = fields.get("build").and_then(|node| node.table(again));
    let Some(table) = table else { return };
    let fields = Fields::read(table, Section::Build, "build", again);
    let files = fields.get("files").and_then(|node| node.named(again));
    for (source, place, _) in files.unwrap_or_default() {
        if let Ok(path) = folder_relative(source)
            && !exists(&path)
        {
            findings.error(&place, missing(service, &path));
        }
    }
}

fn missing(service: &Service, path: &Path) -> String {
    let shown = format!("services/{}/{}", service.folder(), path.display());
    format!(
        "{} does not exist; put the file or folder there, or remove it here",
        quoted(&shown)
    )
}

/// The first `${NAME…}` of a text, or `$NAME` that is all of it: what Compose would replace.
fn variable(text: &str) -> Option<&str> {
    let begins = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if let Some(name) = text.strip_prefix('$') {
        let whole = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if begins(name) && whole {
            return Some(text);
        }
    }
    // Behind the last brace none ends.
    let (text, _) = text.split_at_checked(text.rfind('}')? + 1)?;
    let mut starts = text.match_indices("${").map(|(at, _)| at);
    starts.find_map(|at| {
        let (_, from) = text.split_at_checked(at)?;
        let inner = from.strip_prefix("${").filter(|inner| begins(inner))?;
        let (variable, _) = from.split_at_checked(inner.find('}')? + "${}".len())?;
        Some(variable)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_those_of_compose() {
        for (text, found) in [
            ("${A}", Some("${A}")),
            ("postgres://u:${PASS:-x}@db", Some("${PASS:-x}")),
            ("$_HOME", Some("$_HOME")),
            ("${ ${B}", Some("${B}")),
            ("pa$word", None),
            ("$HOME/bin", None),
            ("${", None),
            ("${}", None),
            ("${1}", None),
            ("${open", None),
            (r"\h:\w\$ ", None),
            ("$", None),
            ("", None),
        ] {
            assert_eq!(variable(text), found, "{text}");
        }
    }
}
