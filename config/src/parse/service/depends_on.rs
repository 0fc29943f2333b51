//! `depends_on`: a list of services, or a table of how to depend on each.

use toml::de::DeValue;

use crate::keys::Section;
use crate::parse::service::process::choice;
use crate::tree::{Fields, Findings, Node, Place, quoted, shown};
use crate::{Condition, Dependency, Propagate, ServiceName};

/// The words of `condition`.
const CONDITIONS: [&str; 3] = [
    "service_started",
    "service_healthy",
    "service_completed_successfully",
];

type Found = Vec<(ServiceName, Dependency, Place)>;

pub(super) fn depends_on(node: &Node<'_>, findings: &mut Findings<'_>) -> Found {
    match node.value {
        DeValue::Table(_) => from_table(node, findings),
        DeValue::Array(_) => from_list(node, findings),
        _ => {
            node.no_list(findings, "a list of services, or a table");
            Found::new()
        }
    }
}

fn from_list(node: &Node<'_>, findings: &mut Findings<'_>) -> Found {
    let mut found = Found::new();
    let mut seen = std::collections::BTreeSet::new();
    for entry in node.list(findings).unwrap_or_default() {
        if entry.value.is_table() {
            entry.error(findings, "a list has names only; write [depends_on.db] with condition = \"service_healthy\" below");
            continue;
        }
        let Some(text) = entry.string(findings) else {
            continue;
        };
        if let Some((name, condition)) = text.split_once(':') {
            let name = shown(name);
            let condition = CONDITIONS.iter().find(|word| word.ends_with(condition));
            let condition = condition.copied().unwrap_or("service_started");
            entry.error(findings, format!("a list has names only; write depends_on = {{ {name} = {{ condition = \"{condition}\" }} }}"));
            continue;
        }
        let Some(name) = service_name(text, &entry.place, findings) else {
            continue;
        };
        if seen.insert(name.clone()) {
            found.push((name, Dependency::default(), entry.place));
        } else {
            entry.error(
                findings,
                format!("{} is here a second time; remove it", quoted(text)),
            );
        }
    }
    found
}

fn from_table(node: &Node<'_>, findings: &mut Findings<'_>) -> Found {
    let mut found = Found::new();
    for (text, place, how) in node.named(findings).unwrap_or_default() {
        let name = service_name(text, &place, findings);
        let Some(table) = how.value.as_table() else {
            let wanted = how.value.as_str().filter(|text| CONDITIONS.contains(text));
            let condition = wanted.unwrap_or("service_started");
            let text = shown(text);
            how.error(findings, format!("must be a table; write depends_on = {{ {text} = {{ condition = \"{condition}\" }} }}, or depends_on = [\"{text}\"]"));
            continue;
        };
        let fields = Fields::read(table, Section::Dependency, &how.place.key, findings);
        let condition = fields.get("condition").and_then(|n| condition(n, findings));
        let required = fields.get("required").and_then(|n| n.boolean(findings));
        let restart = fields.get("restart").and_then(|n| n.boolean(findings));
        let propagate = fields.get("propagate").and_then(|n| propagate(n, findings));
        let dependency = Dependency {
            condition: condition.unwrap_or_default(),
            required: required.unwrap_or(true),
            restart: restart.unwrap_or_default(),
            propagate: propagate.unwrap_or_default(),
        };
        found.extend(name.map(|name| (name, dependency, place)));
    }
    found
}

fn condition(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Condition> {
    match node.string(findings)? {
        "service_started" => Some(Condition::Started),
        "service_healthy" => Some(Condition::Healthy),
        "service_completed_successfully" => Some(Condition::CompletedSuccessfully),
        text => {
            choice(node, findings, text, &CONDITIONS);
            None
        }
    }
}

fn propagate(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Propagate> {
    match node.string(findings)? {
        "none" => Some(Propagate::None),
        "restart" => Some(Propagate::Restart),
        "stop" => Some(Propagate::Stop),
        text => {
            choice(node, findings, text, &["none", "restart", "stop"]);
            None
        }
    }
}

/// The name of a service's folder.
pub(super) fn service_name(
    text: &str,
    place: &Place,
    findings: &mut Findings<'_>,
) -> Option<ServiceName> {
    let name = ServiceName::new(text);
    if name.is_none() {
        findings.error(
            place,
            format!(
                "{} is no service's name; write the name of a folder below services/",
                quoted(text)
            ),
        );
    }
    name
}
