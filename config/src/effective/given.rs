//! What a service is given beside what its manifest writes, each by a key of its own: capabilities,
//! file systems in memory, limits of processes, variables.

use serde_json::{Value, json};

use super::spelling::written;
use super::walk::toml_key;
use super::{EffectiveKey, EffectiveValue, ValueSource};
use crate::check::{AUTHORIZED_KEYS, INDEX_VARIABLE, lets_people_in};
use crate::{READ_ONLY_TMPFS, Service, USUAL_LIMITS, USUAL_PATH};

/// Adds all of it.
pub(super) fn add(keys: &mut Vec<EffectiveKey>, service: &Service, system: &[EffectiveKey]) {
    let variables = variables(keys, service, system);
    beside(keys, "environment", variables);
    beside(keys, "tmpfs", tmpfs(service));
    beside(keys, "ulimits", ulimits(keys, service));
    beside(keys, "cap_drop", vec![capabilities(service)]);
}

/// Puts keys behind what is written of `key`, or in the place of its default, which they are more than.
fn beside(keys: &mut Vec<EffectiveKey>, key: &str, more: Vec<EffectiveKey>) {
    let below = format!("{key}.");
    let is_of = |known: &EffectiveKey| known.key == key || known.key.starts_with(&below);
    let Some(last) = keys.iter().rposition(is_of) else {
        keys.extend(more);
        return;
    };
    let replaced = more.iter().any(is_of)
        && keys
            .get(last)
            .is_some_and(|known| known.source == ValueSource::Default);
    let at = if replaced {
        last..last + 1
    } else {
        last + 1..last + 1
    };
    keys.splice(at, more);
}

fn given(key: String, value: EffectiveValue, source: ValueSource) -> EffectiveKey {
    EffectiveKey {
        key,
        value,
        source,
        writable: false,
    }
}

fn literal(value: Value) -> EffectiveValue {
    EffectiveValue::Literal(value)
}

/// What root of the container holds, which `isolation`, `cap_add` and `cap_drop` come to.
fn capabilities(service: &Service) -> EffectiveKey {
    let names: Vec<String> = match service.capabilities.len() {
        41 => vec!["ALL".to_owned()],
        _ => service.capabilities.iter().map(|cap| cap.name()).collect(),
    };
    let by = format!(
        "isolation = \"{}\", cap_add and cap_drop",
        service.isolation
    );
    given(
        "capabilities".to_owned(),
        literal(json!(names)),
        ValueSource::Follows(by),
    )
}

/// What a read-only root has to write to, where it has these directories and nothing else is mounted.
fn tmpfs(service: &Service) -> Vec<EffectiveKey> {
    let volumes = service.volumes.iter().map(|volume| &volume.target);
    let taken: Vec<_> = volumes
        .chain(service.tmpfs.iter().map(|tmpfs| &tmpfs.target))
        .collect();
    let free = READ_ONLY_TMPFS.iter().filter(|(path, ..)| {
        service.read_only && !taken.iter().any(|taken| taken.as_os_str() == *path)
    });
    free.map(|(path, size, mode)| {
        let options = format!("size={}m,mode={mode:o}", size >> 20);
        given(
            format!("tmpfs.{}", toml_key(path)),
            literal(json!(options)),
            ValueSource::Follows("read_only = true".to_owned()),
        )
    })
    .collect()
}

fn ulimits(keys: &[EffectiveKey], service: &Service) -> Vec<EffectiveKey> {
    let written = |name: &str| service.ulimits.iter().any(|limit| limit.name == name);
    let usual = USUAL_LIMITS.iter().filter(|limit| !written(limit.name));
    usual
        .map(|limit| {
            let key = format!("ulimits.{}", limit.name);
            debug_assert!(keys.iter().all(|known| known.key != key), "not written");
            given(key, literal(json!(limit.soft)), ValueSource::Default)
        })
        .collect()
}

/// The variables that no line of the manifest sets.
fn variables(
    keys: &[EffectiveKey],
    service: &Service,
    system: &[EffectiveKey],
) -> Vec<EffectiveKey> {
    let list = keys.iter().find(|key| key.key == "environment");
    let listed: Vec<&str> = match list.map(|key| &key.value) {
        Some(EffectiveValue::Literal(Value::Array(list))) => {
            let entries = list.iter().filter_map(Value::as_str);
            entries
                .filter_map(|entry| entry.split('=').next())
                .collect()
        }
        _ => Vec::new(),
    };
    let key_of = |name: &str| format!("environment.{}", toml_key(name));
    let set = |name: &str| {
        let key = key_of(name);
        listed.contains(&name) || keys.iter().any(|known| known.key == key)
    };
    let files = env_files(keys);
    let mut found = Vec::new();
    let unset = service.environment.iter().filter(|(name, _)| !set(name));
    for (name, value) in unset {
        let (value, source) = match name.as_str() {
            AUTHORIZED_KEYS if lets_people_in(service) => {
                match written(system, "access.ssh_keys") {
                    Some((_, place)) => (literal(json!(value)), place),
                    None => continue,
                }
            }
            INDEX_VARIABLE if service.supervision.replica.is_some() => (
                EffectiveValue::Words("the instance's number".to_owned()),
                ValueSource::Default,
            ),
            _ => (literal(json!(value)), ValueSource::EnvFile(files.clone())),
        };
        found.push(given(key_of(name), value, source));
    }
    let mut usual = |name: &str, value| {
        if !set(name) && !service.environment.contains_key(name) {
            found.push(given(key_of(name), value, ValueSource::Default));
        }
    };
    usual("PATH", literal(json!(USUAL_PATH)));
    let home = "the home of its user in the image".to_owned();
    usual("HOME", EffectiveValue::Words(home));
    found
}

/// The names of the files that `env_file` names.
fn env_files(keys: &[EffectiveKey]) -> String {
    let mut written = keys.iter().filter(|key| key.writable);
    let value = written.find_map(|key| match &key.value {
        EffectiveValue::Literal(value) if key.key.split('.').next() == Some("env_file") => {
            Some(file_names(value))
        }
        _ => None,
    });
    value.unwrap_or_default()
}

fn file_names(value: &Value) -> String {
    match value {
        Value::String(name) => name.clone(),
        Value::Array(list) => list.iter().map(file_names).collect::<Vec<_>>().join(", "),
        Value::Object(table) => table.get("path").map(file_names).unwrap_or_default(),
        _ => String::new(),
    }
}
