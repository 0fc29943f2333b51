//! `environment`: a table, or a list of `KEY=value`.

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::tree::{Findings, Node, Place, quoted, shown};

pub(super) fn environment(
    node: &Node<'_>,
    findings: &mut Findings<'_>,
) -> Option<BTreeMap<String, String>> {
    match node.value {
        DeValue::Table(_) => from_table(node, findings),
        DeValue::Array(_) => from_list(node, findings),
        _ => {
            node.wrong_type(findings, "a table, or a list of \"KEY=value\"");
            None
        }
    }
}

fn from_table(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (name, place, value) in node.named(findings)? {
        check_name(name, &place, findings);
        let text = match value.value {
            // Compose refuses these too: programs disagree on what true is called.
            DeValue::Boolean(value_is) => {
                value.error(
                    findings,
                    format!("must be text; write {} = \"{value_is}\"", shown(name)),
                );
                continue;
            }
            _ => value.string_or_number(findings),
        };
        variables.extend(text.map(|text| (name.to_owned(), text)));
    }
    Some(variables)
}

fn from_list(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for entry in node.list(findings)? {
        let Some(text) = entry.string(findings) else {
            continue;
        };
        let Some((name, value)) = text.split_once('=') else {
            entry.error(
                findings,
                format!("{} has no value, and there is no shell here to take it from; write \"{}=value\"", quoted(text), shown(text)),
            );
            continue;
        };
        check_name(name, &entry.place, findings);
        if variables
            .insert(name.to_owned(), value.to_owned())
            .is_some()
        {
            entry.error(
                findings,
                format!("{} is set a second time; keep one of the two", quoted(name)),
            );
        }
    }
    Some(variables)
}

fn check_name(name: &str, place: &Place, findings: &mut Findings<'_>) {
    if name.is_empty() || name.contains(['=', '\0']) || name.chars().any(char::is_whitespace) {
        findings.error(
            place,
            format!(
                "{} is no variable's name; write KEY = \"value\"",
                quoted(name)
            ),
        );
    }
}
