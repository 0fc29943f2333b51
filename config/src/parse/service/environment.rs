//! `environment`, `labels`, `sysctls`: a table, or a list of `NAME=value`.

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::keys::{Section, Support};
use crate::tree::{Findings, Node, Place, quoted, shown};

/// What to write instead of true and false, on whose names programs disagree: Compose refuses them
/// too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    /// `"true"`.
    Text,
    /// `1`.
    Number,
}

pub(super) fn environment(
    node: &Node<'_>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (name, place, value) in pairs(node, Truth::Text, findings) {
        if !is_name(&name) {
            findings.error(
                &place,
                format!(
                    "{} is no variable's name; write KEY = \"value\"",
                    quoted(&name)
                ),
            );
        }
        variables.insert(name, value);
    }
    variables
}

/// Whether it can be a variable's.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !name.contains(char::is_whitespace)
}

/// The same without the places.
pub(crate) fn table(pairs: Vec<(String, Place, String)>) -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    for (name, _, value) in pairs {
        table.insert(name, value);
    }
    table
}

/// The names of a table or list, each with its place and value.
pub(crate) fn pairs(
    node: &Node<'_>,
    truth: Truth,
    findings: &mut Findings<'_>,
) -> Vec<(String, Place, String)> {
    let mut pairs = Vec::new();
    match node.value {
        DeValue::Table(_) => {
            for (name, place, value) in node.named(findings).unwrap_or_default() {
                if is_misplaced(node, name, &place, findings)
                    && !told_as_misplaced(&value, name, &place, findings)
                {
                    continue;
                }
                if node.key.name != "environment"
                    && let Some(whole) = dotted(name, value.value)
                {
                    let message = format!("a name with a dot needs quotes; write {whole}");
                    findings.error(&place, message);
                    continue;
                }
                if let DeValue::Boolean(is) = value.value {
                    let name = shown(name);
                    let instead = match truth {
                        Truth::Text => format!("text; write {name} = \"{is}\""),
                        Truth::Number => format!("a number; write \"{name}\" = {}", u8::from(*is)),
                    };
                    value.error(findings, format!("must be {instead}"));
                } else if let Some(text) = value.string_or_number(findings) {
                    pairs.push((name.to_owned(), place, text));
                }
            }
        }
        DeValue::Array(_) => from_list(node, &mut pairs, findings),
        DeValue::String(text) if text.contains('=') => {
            node.no_list(findings, "a table, or a list of \"KEY=value\"");
        }
        _ => node.wrong_type(findings, "a table, or a list of \"KEY=value\""),
    }
    pairs
}

/// The entry that a name with dots was meant to be, of which TOML makes tables.
fn dotted(name: &str, value: &DeValue<'_>) -> Option<String> {
    let (mut whole, mut value) = (name.to_owned(), value);
    while let DeValue::Table(table) = value {
        let (part, below) = table.iter().next()?;
        whole = whole + "." + part.get_ref();
        value = below.get_ref();
    }
    let value = match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Boolean(is) => format!("\"{is}\""),
        _ => return None,
    };
    (whole != name).then(|| format!("{} = {value}", quoted(&whole)))
}

/// Whether a key of the service's own stands below `[environment]`, where TOML makes it a variable. In
/// a table of braces, and as `environment.user`, it was meant as one.
fn is_misplaced(node: &Node<'_>, name: &str, place: &Place, findings: &Findings<'_>) -> bool {
    let table = &node.place.span;
    let below_a_header = || {
        let text = findings.text.text.split_at_checked(table.start);
        text.is_some_and(|(before, from)| from.starts_with('[') || before.ends_with('['))
    };
    let key = Section::Service.key(name);
    place.span.start >= table.end
        && key.is_some_and(|key| key.support == Support::Supported)
        && below_a_header()
}

/// Tells where such a key belongs; whether it can be a variable all the same.
fn told_as_misplaced(
    value: &Node<'_>,
    name: &str,
    place: &Place,
    findings: &mut Findings<'_>,
) -> bool {
    let section = value.key.name;
    let above = format!("write it above [{section}]");
    let instead = match value.value {
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) => {
            findings.warning(
                place,
                format!("counts as {section} here, not as the service's {name}; {above} if that is meant"),
            );
            return true;
        }
        DeValue::Table(_) => format!("write [{name}]"),
        _ => above,
    };
    findings.error(place, format!("is no key of {section}; {instead}"));
    false
}

fn from_list(
    node: &Node<'_>,
    pairs: &mut Vec<(String, Place, String)>,
    findings: &mut Findings<'_>,
) {
    for entry in node.list(findings).unwrap_or_default() {
        let Some(text) = entry.string(findings) else {
            continue;
        };
        let Some((name, value)) = text.split_once('=') else {
            let (text, name) = (quoted(text), shown(text));
            let message = match node.key.name {
                "environment" => format!(
                    "{text} has no value, and there is no shell here to take it from; write \"{name}=value\""
                ),
                "labels" => format!("{text} has no value; write \"{name}=\" for an empty one"),
                _ => format!("{text} has no value; write \"{name}=value\""),
            };
            entry.error(findings, message);
            continue;
        };
        if pairs.iter().any(|(taken, ..)| taken == name) {
            entry.error(
                findings,
                format!("{} is set a second time; keep one of the two", quoted(name)),
            );
        }
        pairs.push((name.to_owned(), entry.place, value.to_owned()));
    }
}
