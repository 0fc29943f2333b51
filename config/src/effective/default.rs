//! Defaults that follow from something else: another key, the isolation level, `env_file`, or
//! `system.toml`.

use std::time::Duration;

use serde_json::{Value, json};

use super::walk::{EffectiveKey, EffectiveValue, ValueSource, toml_key};
use crate::{Isolation, Kind, RestartPolicy, Service, UsernsMode};

/// Puts the values that this service has in place of the key table's words.
pub(super) fn resolve(keys: &mut Vec<EffectiveKey>, service: &Service, system: &[EffectiveKey]) {
    for key in keys.iter_mut() {
        if key.source != ValueSource::Default {
            continue;
        }
        if let Some((value, source)) = follows(&key.key, service, system) {
            key.value = EffectiveValue::Literal(value);
            key.source = source;
        }
    }
    keys.extend(from_env_files(keys, service));
    keys.extend(capabilities(service));
}

fn follows(key: &str, service: &Service, system: &[EffectiveKey]) -> Option<(Value, ValueSource)> {
    let isolation = || ValueSource::Follows(format!("isolation = \"{}\"", service.isolation));
    let from = |what: &str| ValueSource::Follows(what.to_owned());
    let oneshot = matches!(service.supervision.kind, Kind::Oneshot { .. });
    let kind = || {
        from(if oneshot {
            "type = \"oneshot\""
        } else {
            "type = \"service\""
        })
    };
    let supervision = &service.supervision;
    Some(match key {
        "image" => (json!(service.image.as_str()), from("the service's name")),
        "hostname" if supervision.replica.is_none() => {
            (json!(service.name.as_str()), from("the service's name"))
        }
        "read_only" => (json!(service.read_only), isolation()),
        "userns_mode" if service.userns_mode == UsernsMode::Host => (json!("host"), isolation()),
        "isolation" if service.isolation == Isolation::Privileged => {
            (json!("privileged"), from("privileged = true"))
        }
        "type" if supervision.schedule.is_some() => (json!("oneshot"), from("schedule")),
        "restart" if service.restart == RestartPolicy::No => (json!("no"), kind()),
        "restart" if service.restart == RestartPolicy::Always => (json!("always"), kind()),
        "start_timeout" => {
            let timeout = supervision.start_timeout;
            let readiness = if oneshot { kind() } else { from("readiness") };
            (timeout.map_or(json!("infinity"), duration), readiness)
        }
        "restart_max_delay" => (
            duration(supervision.restart_max_delay),
            ValueSource::Default,
        ),
        // The machine's, when it has some.
        "dns" => {
            let dns = system.iter().find(|key| key.key == "network.dns")?;
            match (&dns.value, &dns.source) {
                (EffectiveValue::Literal(value), source @ ValueSource::Manifest { .. }) => {
                    (value.clone(), source.clone())
                }
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// A duration as manifests have it.
fn duration(span: Duration) -> Value {
    let millis = span.as_millis();
    match millis {
        _ if millis.is_multiple_of(60_000) => json!(format!("{}m", millis / 60_000)),
        _ if millis.is_multiple_of(1000) => json!(format!("{}s", millis / 1000)),
        _ => json!(format!("{millis}ms")),
    }
}

/// The variables that no line of the manifest sets.
fn from_env_files(keys: &[EffectiveKey], service: &Service) -> Vec<EffectiveKey> {
    let files = keys.iter().find_map(|key| match (&key.value, &key.source) {
        (EffectiveValue::Literal(value), ValueSource::Manifest { .. })
            if key.key.split('.').next() == Some("env_file") =>
        {
            Some(file_names(value))
        }
        _ => None,
    });
    let Some(files) = files else {
        return Vec::new();
    };
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
    let set = |name: &str| {
        let key = format!("environment.{}", toml_key(name));
        listed.contains(&name) || keys.iter().any(|known| known.key == key)
    };
    // ORLOP_REPLICA differs between the instances.
    let variables = service.environment.iter();
    variables
        .filter(|(name, _)| !set(name) && *name != "ORLOP_REPLICA")
        .map(|(name, value)| EffectiveKey {
            key: format!("environment.{}", toml_key(name)),
            value: EffectiveValue::Literal(json!(value)),
            source: ValueSource::EnvFile(files.clone()),
            writable: true,
        })
        .collect()
}

fn file_names(value: &Value) -> String {
    match value {
        Value::String(name) => name.clone(),
        Value::Array(list) => list.iter().map(file_names).collect::<Vec<_>>().join(", "),
        Value::Object(table) => table.get("path").map(file_names).unwrap_or_default(),
        _ => String::new(),
    }
}

/// What root of the container holds, which `isolation`, `cap_add` and `cap_drop` come to.
fn capabilities(service: &Service) -> Option<EffectiveKey> {
    let names: Vec<String> = service.capabilities.iter().map(|cap| cap.name()).collect();
    Some(EffectiveKey {
        key: "capabilities".to_owned(),
        value: EffectiveValue::Words(match names.len() {
            0 => "none".to_owned(),
            41 => "all".to_owned(),
            _ => names.join(", "),
        }),
        source: ValueSource::Follows(format!(
            "isolation = \"{}\", cap_add and cap_drop",
            service.isolation
        )),
        writable: false,
    })
}
