//! A table whose keys the key table knows: every key is looked up there, and only there.

use toml::de::DeTable;

use crate::keys::{Key, Section, Support, nearest_key};
use crate::tree::findings::{Findings, Place};
use crate::tree::node::{Node, key_text};
use crate::tree::text::quoted;

/// The supported keys of a table, by name.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    nodes: Vec<(Place, Node<'t>)>,
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
        for (name, value) in table {
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
                findings.error(&place, unknown(section, text));
                continue;
            };
            match key.support {
                Support::Supported => nodes.push((place, Node::new(key_path, value, key))),
                Support::NotYet(instead) => findings.error(
                    &place,
                    format!("is a Compose key that is not supported yet; {instead}"),
                ),
                Support::Refused(reason) => findings.error(&place, reason),
            }
        }
        Self { nodes }
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

    /// The place of the first key in the file: for what is missing.
    pub(crate) fn first(&self) -> Option<&Place> {
        self.nodes
            .iter()
            .map(|(place, _)| place)
            .min_by_key(|place| place.span.start)
    }
}

fn unknown(section: Section, name: &str) -> String {
    if name.starts_with("x-") {
        return "is an extension field, which nothing would read; write a # comment instead"
            .to_owned();
    }
    match nearest_key(section, name) {
        Some(Key { name: near, .. }) => format!("unknown key; write {} instead", quoted(near)),
        None => format!("unknown key; {} has {}", section.title(), section.list()),
    }
}
