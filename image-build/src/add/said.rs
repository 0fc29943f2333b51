//! What `orlop add` says. Pure.

use std::fmt::Write as _;
use std::path::Path;

use orlop_config::{Checked, Protocol, VolumeSource};

use crate::catalogue::CatalogueService;

/// The catalogue, a line each.
pub(super) fn list(all: &[CatalogueService], in_machine: impl Fn(&str) -> bool) -> String {
    let width = all.iter().map(|service| service.name.len()).max();
    let mut text = String::new();
    for service in all {
        let mark = if in_machine(&service.name) { '*' } else { ' ' };
        let _ = writeln!(
            text,
            "{mark} {:width$}  {}",
            service.name,
            service.summary(),
            width = width.unwrap_or_default()
        );
    }
    text += "\n`orlop add NAME` adds one; * is in this machine.\n";
    text
}

/// What was added, and what to do next.
pub(super) fn added(
    chosen: &[&CatalogueService],
    volumes: &[String],
    checked: &Checked,
    dir: &Path,
) -> String {
    let mut text = String::new();
    for service in chosen {
        let _ = writeln!(
            text,
            "added services/{}: {}",
            service.name,
            service.summary()
        );
    }
    for volume in volumes {
        let _ = writeln!(text, "added [volumes.{volume}] to system.toml");
    }
    text += "\n";
    for service in chosen {
        let facts = facts(&service.name, checked);
        if !facts.is_empty() {
            let _ = writeln!(text, "{} {}", service.name, facts.join(", and "));
        }
    }
    let dir = match dir.display().to_string() {
        here if here == "." => String::new(),
        there => format!(" {there}"),
    };
    let first = chosen.first().map_or("NAME", |service| &service.name);
    let _ = writeln!(
        text,
        "\nNext: read services/{first}/service.toml, then `orlop run{dir}`."
    );
    text
}

/// Where a service is reached, and where it keeps what it keeps.
fn facts(name: &str, checked: &Checked) -> Vec<String> {
    let found = checked
        .services
        .iter()
        .find(|(known, _)| known.as_str() == name);
    let Some((_, service)) = found else {
        return Vec::new();
    };
    let mut facts = Vec::new();
    for port in &service.ports {
        let udp = if port.protocol == Protocol::Udp {
            "/udp"
        } else {
            ""
        };
        facts.push(format!(
            "answers at port {}{udp} of the machine",
            port.published
        ));
    }
    for mount in &service.volumes {
        if let VolumeSource::Named(volume) = &mount.source {
            facts.push(format!("keeps its data in the volume {volume}"));
        }
    }
    facts
}
