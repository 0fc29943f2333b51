//! A table whose keys the key table knows: every key is looked up there, and only there.

use toml::de::{DeTable, DeValue};

use crate::compact::sort_by;
use crate::keys::{Key, Section, Support, belongs_to_the_file, nearest_key};
use crate::tree::findings::{Findings, Place};
use crate::tree::node::{ENTRIES, Node, key_text};
use crate::tree::text::{quoted, shown};

/// The supported keys of a table, by name.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    nodes: Vec<(Place, Node<'t>)>,
    /// The keys that what is unknown or unsupported was meant to be.
    meant: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// Looks every key up in its section; reports those that are unknown or unsupported.
    pub(crate) fn read(
        table: &'t DeTable<'t>,
        section: Section,
        path: &str,
        findings: &mut Findings<'_>,
    ) -> Self {
        let mut nodes = Vec::new();
        let mut meant = Vec::new();
        if table.len() > ENTRIES {
            let span = table
                .keys()
                .map(toml::Spanned::span)
                .min_by_key(|span| span.start);
            let place = Place {
                span: span.unwrap_or_default(),
                key: path.to_owned(),
            };
            let count = table.len();
            findings.error(&place, format!("has {count} keys; write at most {ENTRIES}"));
            return Self { nodes, meant };
        }
        // The table is in the order of the alphabet, but the file's counts when there are too many.
        let mut entries: Vec<_> = table.iter().collect();
        sort_by(&mut entries, |(a, _), (b, _)| {
            a.span().start.cmp(&b.span().start)
        });
        for (name, value) in entries {
            let text = name.get_ref().as_ref();
            let key_path = match path {
                "" => key_text(text),
                _ => format!("{path}.{}", key_text(text)),
            };
            let place = Place {
                span: name.span(),
                key: key_path.clone(),
            };
            let Some(key) = section.key(text) else {
                if belongs_to_the_file(section, text) {
                    let message = format!(
                        "is no key of {path}; write it above the first [section] of the file"
                    );
                    findings.error(&place, message);
                    continue;
                }
                if let Some(message) = meant_as_a_section(section, text, value.get_ref()) {
                    meant.push("services");
                    findings.error(&place, message);
                    continue;
                }
                // Nobody will be told more, so nothing need be searched for.
                let near = match findings.is_full() {
                    true => None,
                    false => nearest_key(section, text),
                };
                meant.extend(near.map(|key| key.name));
                findings.error(&place, unknown(section, text, near));
                continue;
            };
            match key.support {
                Support::Supported => nodes.push((place, Node::new(key_path, value, key))),
                Support::NotYet(instead) => {
                    meant.push(key.name);
                    let instead = filled(instead, value.get_ref());
                    let message = format!("is a Compose key that is not supported yet; {instead}");
                    findings.error(&place, message);
                }
                Support::Refused(reason) => {
                    meant.push(key.name);
                    findings.error(&place, filled(reason, value.get_ref()));
                }
            }
        }
        Self { nodes, meant }
    }

    /// The value of a key, when it is written.
    pub(crate) fn get(&self, name: &str) -> Option<&Node<'t>> {
        let found = self.nodes.iter().find(|(_, node)| node.key.name == name);
        found.map(|(_, node)| node)
    }

    /// Where a key is written.
    pub(crate) fn place(&self, name: &str) -> Option<&Place> {
        let found = self.nodes.iter().find(|(_, node)| node.key.name == name);
        found.map(|(place, _)| place)
    }

    /// Whether a key that could not be taken was probably meant to be one of these.
    pub(crate) fn meant(&self, names: &[&str]) -> bool {
        self.meant.iter().any(|meant| names.contains(meant))
    }

    /// The place of the first key in the file: for what is missing.
    pub(crate) fn first(&self) -> Option<&Place> {
        self.nodes
            .iter()
            .map(|(place, _)| place)
            .min_by_key(|place| place.span.start)
    }
}

/// An advice with the person's own word in the place of a name.
fn filled(advice: &str, value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => advice.replace("\"name\"", &quoted(text)),
        DeValue::Array(list) => {
            let mut names = String::new();
            let entries = list.iter().filter_map(|entry| entry.get_ref().as_str());
            for (at, entry) in entries.enumerate() {
                // A sentence of more could not be read.
                if at == 10 {
                    names += ", …";
                    break;
                }
                // Behind the colon there is an alias.
                let (name, _) = entry.split_once(':').unwrap_or((entry, ""));
                let comma = if names.is_empty() { "" } else { ", " };
                names = names + comma + &quoted(name);
            }
            match names.is_empty() {
                true => advice.to_owned(),
                false => advice.replace("\"name\"", &names),
            }
        }
        DeValue::Table(table) => match table.keys().next() {
            Some(name) => advice.replace("<name>", &shown(name.get_ref())),
            None => advice.to_owned(),
        },
        _ => advice.to_owned(),
    }
}

/// A key or table that belongs one level deeper or into another file.
fn meant_as_a_section(section: Section, name: &str, value: &DeValue<'_>) -> Option<String> {
    if section == Section::System
        && let Some(within) = section_with(name)
    {
        return Some(match value.as_table() {
            Some(_) => format!("belongs to {within}; write [{within}.{name}]"),
            None => format!("belongs to {within}; write it below [{within}]"),
        });
    }
    match section {
        Section::System if Section::Service.key(name).is_some() => {
            return Some(
                "is a service's key; write it into services/<name>/service.toml".to_owned(),
            );
        }
        Section::Network if nearest_key(section, name).is_none() => {
            if let Some(key) = nearest_key(Section::Link, name) {
                return Some(format!(
                    "is a link's; write {} below [network.links.eth0]",
                    key.name
                ));
            }
        }
        _ => {}
    }
    let table = value.as_table()?;
    let has_keys_of = |of: Section| {
        let mut names = table.keys().map(|name| name.get_ref());
        names.any(|name| of.key(name).is_some())
    };
    let name = shown(name);
    match section {
        _ if ["Unit", "Service", "Install", "Timer"].contains(&name.as_str()) => Some(
            "is of systemd's unit files; write the keys of docs/manifests.md at the top".to_owned(),
        ),
        Section::Service if has_keys_of(Section::Service) => Some(format!(
            "this file is one service; write its keys at the top, without [{name}]"
        )),
        Section::System | Section::Network if has_keys_of(Section::Link) => Some(format!(
            "is no key; write [network.links.{name}] for a link"
        )),
        Section::System if has_keys_of(Section::Service) => Some(format!(
            "is no key; write a service into a file of its own, services/{name}/service.toml"
        )),
        _ => None,
    }
}

/// The section of `system.toml` that has this key.
fn section_with(name: &str) -> Option<&'static str> {
    let sections = [
        ("network", Section::Network),
        ("access", Section::Access),
        ("kernel", Section::Kernel),
        ("storage", Section::Storage),
        ("watchdog", Section::Watchdog),
    ];
    let has = |of: Section| {
        of.key(name)
            .is_some_and(|key| key.support == Support::Supported)
    };
    let mut sections = sections.into_iter();
    sections.find_map(|(within, of)| has(of).then_some(within))
}

fn unknown(section: Section, name: &str, near: Option<&Key>) -> String {
    match near {
        _ if name.starts_with("x-") => {
            "is an extension field, which nothing would read; write a # comment instead".to_owned()
        }
        Some(key) => format!("unknown key; write {} instead", quoted(key.name)),
        None => format!("unknown key; {}", section.offer()),
    }
}
