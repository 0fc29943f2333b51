//! The effective manifests: every key with the value that counts and where that comes from. Walks the
//! key table as the parser does, so a new key appears by itself.
//!
//! Only the workstation asks (`orlop config`); the linker leaves it out of PID 1.

mod default;
mod walk;

use serde_json::Value;
use toml::de::DeTable;

use crate::keys::Section;
use crate::tree::Text;
use crate::{Checked, Service, SourceFile, Sources, check};

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
    // No key of system.toml contradicts another one's default.
    for key in &mut system.keys {
        key.writable = key.line().is_some();
    }
    let mut all = Vec::new();
    for (folder, source) in &sources.services {
        let mut instances = checked.services.values();
        let service = instances.find(|service| service.folder().as_str() == folder);
        let Some(service) = service else {
            continue;
        };
        let mut keys = keys_of(source, Section::Service);
        default::resolve(&mut keys, service, &system.keys);
        settle(&mut keys, sources, folder);
        all.push(EffectiveManifest {
            service: Some(folder.clone()),
            file: source.path.clone(),
            keys,
        });
    }
    all.insert(0, system);
    all
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

/// Tells which of the keys that are not written could be, by writing each: some contradict another
/// one, as a oneshot's readiness does.
fn settle(keys: &mut [EffectiveKey], sources: &Sources, folder: &str) {
    let mut lines: Vec<String> = keys
        .iter()
        .filter(|key| matches!(key.source, ValueSource::Manifest { .. }))
        .filter_map(EffectiveKey::line)
        .collect();
    let mut asked = sources.clone();
    let mut outcome = |lines: &[String]| {
        if let Some(file) = asked.services.get_mut(folder) {
            file.text = lines.join("\n");
        }
        let checked = check(&asked);
        let services: Vec<Service> = checked.services.into_values().collect();
        (checked.diagnostics.len(), services)
    };
    let written = outcome(&lines);
    for key in keys {
        if matches!(key.source, ValueSource::Manifest { .. }) {
            continue;
        }
        let Some(line) = key.line() else {
            continue;
        };
        // Beside those that could be written before it: two spellings of one thing cannot both.
        lines.push(line);
        key.writable = outcome(&lines) == written;
        if !key.writable {
            lines.pop();
        }
    }
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
