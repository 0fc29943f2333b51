//! The effective manifests: every key with the value that counts and where that comes from. Walks the
//! key table as the parser does, so a new key appears by itself.
//!
//! Only the workstation asks (`orlop config`); the linker leaves it out of PID 1.

mod default;
mod given;
mod settle;
mod spelling;
mod walk;

use std::collections::BTreeMap;

use serde_json::Value;
use toml::de::DeTable;

use crate::keys::Section;
use crate::parse::{parse_machine, parse_service};
use crate::tree::{Findings, Text};
use crate::{Checked, FolderFiles, Machine, Service, ServiceName, SourceFile, Sources};

pub use walk::{EffectiveKey, EffectiveValue, ValueSource};

/// One manifest with every key that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveManifest {
    /// The service's folder; `None` for `system.toml`.
    pub service: Option<String>,
    /// The file, as messages show it.
    pub file: String,
    /// Written keys first, in the file's order, then the others in the key table's.
    pub keys: Vec<EffectiveKey>,
}

/// `system.toml` and every service that can run, by name.
#[must_use]
pub fn effective(sources: &Sources, checked: &Checked) -> Vec<EffectiveManifest> {
    let nothing = SourceFile {
        path: "system.toml".to_owned(),
        text: String::new(),
    };
    let system = sources.system.as_ref().unwrap_or(&nothing);
    let mut system = EffectiveManifest {
        service: None,
        file: system.path.clone(),
        keys: keys_of(system, Section::System),
    };
    default::resolve_system(&mut system.keys, &checked.machine);
    settle::settle(&mut system.keys, meant_by_system);
    let mut first_instance: BTreeMap<&str, &Service> = BTreeMap::new();
    for service in checked.services.values() {
        let folder = service.folder().as_str();
        first_instance.entry(folder).or_insert(service);
    }
    let mut all = Vec::new();
    for (folder, source) in &sources.services {
        let Some(service) = first_instance.get(folder.as_str()) else {
            continue;
        };
        let mut keys = keys_of(source, Section::Service);
        spelling::resolve(&mut keys, service);
        default::resolve(&mut keys, service, &system.keys);
        given::add(&mut keys, service, &system.keys);
        let outcome = |text: &str| meant(service.folder(), text, &sources.files);
        settle::settle(&mut keys, outcome);
        all.push(EffectiveManifest {
            service: Some(folder.clone()),
            file: source.path.clone(),
            keys,
        });
    }
    all.insert(0, system);
    all
}

/// What a `service.toml` means, by itself: how many findings, the service, its instances. What other
/// files make of it follows from these.
fn meant(name: &ServiceName, text: &str, files: &FolderFiles) -> (usize, Option<Service>, u32) {
    let source = SourceFile {
        path: String::new(),
        text: text.to_owned(),
    };
    let mut findings = Findings::new(&source);
    let draft = parse_service(name, files, &mut findings);
    let instances = draft.instances();
    (findings.into_diagnostics().len(), draft.service, instances)
}

/// The same of `system.toml`.
fn meant_by_system(text: &str) -> (usize, Machine) {
    let source = SourceFile {
        path: String::new(),
        text: text.to_owned(),
    };
    let mut findings = Findings::new(&source);
    let draft = parse_machine(&mut findings);
    (findings.into_diagnostics().len(), draft.machine)
}

fn keys_of(source: &SourceFile, section: Section) -> Vec<EffectiveKey> {
    let text = Text::new(&source.path, &source.text);
    let (table, _) = DeTable::parse_recoverable(text.text);
    let mut keys = Vec::new();
    walk::walk(table.get_ref(), section, "", &text, &mut keys);
    let line = |key: &EffectiveKey| match &key.source {
        ValueSource::Manifest { line, .. } => *line,
        _ => usize::MAX,
    };
    keys.sort_by_key(line);
    keys
}

/// A value on one line of TOML.
#[must_use]
pub fn toml_inline(value: &Value) -> String {
    match value {
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(toml_inline).collect();
            format!("[{}]", list.join(", "))
        }
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{} = {}", walk::toml_key(key), toml_inline(value))
            };
            let entries: Vec<String> = table.iter().map(entry).collect();
            match entries.is_empty() {
                true => "{}".to_owned(),
                false => format!("{{ {} }}", entries.join(", ")),
            }
        }
        // JSON's escapes are TOML's too.
        other => other.to_string().replace('\u{7f}', "\\u007f"),
    }
}
