//! Defaults that follow from something else: another key, the isolation level, or `system.toml`.

use std::time::Duration;

use serde_json::{Value, json};

use super::spelling::written;
use super::{EffectiveKey, EffectiveValue, ValueSource};
use crate::{Isolation, Kind, Machine, RestartPolicy, Service, UsernsMode};

/// Puts the values that this service has in place of the key table's words.
pub(super) fn resolve(keys: &mut [EffectiveKey], service: &Service, system: &[EffectiveKey]) {
    let limit = keys.iter().find_map(|key| match &key.source {
        _ if key.key != "mem_limit" => None,
        ValueSource::OtherKey { key, .. } => Some(key.clone()),
        _ => Some(key.key.clone()),
    });
    for key in keys {
        if key.source != ValueSource::Default {
            continue;
        }
        if let Some((value, source)) = follows(&key.key, service) {
            key.value = EffectiveValue::Literal(value);
            key.source = source;
        }
        match key.key.as_str() {
            "oom_score_adj" if service.mem_limit.is_some() => {
                key.source = ValueSource::Follows(limit.clone().unwrap_or_default());
            }
            "hostname" => {
                if let Some(replica) = &service.supervision.replica {
                    let words = format!(
                        "each instance's name, {0}-1 to {0}-{1}",
                        replica.of, replica.count
                    );
                    key.value = EffectiveValue::Words(words);
                    key.source = ValueSource::Default;
                }
            }
            // The machine's, when it has some.
            "dns" => {
                if let Some(found) = written(system, "network.dns") {
                    (key.value, key.source) = found;
                }
            }
            _ => {}
        }
    }
}

/// The same of `system.toml`.
pub(super) fn resolve_system(keys: &mut [EffectiveKey], machine: &Machine) {
    for key in keys.iter_mut().filter(|key| !key.writable) {
        let link = key.key.strip_prefix("network.links.");
        let link = link.and_then(|key| key.strip_suffix(".dhcp"));
        if let Some(config) = link.and_then(|link| machine.network.links.get(link)) {
            key.value = EffectiveValue::Literal(json!(config.dhcp));
            if !config.addresses.is_empty() {
                key.source = ValueSource::Follows("addresses".to_owned());
            }
        }
    }
}

fn follows(key: &str, service: &Service) -> Option<(Value, ValueSource)> {
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
        "hostname" | "container_name" => {
            (json!(service.folder().as_str()), from("the service's name"))
        }
        "user" => (json!(service.user.user), ValueSource::Default),
        "read_only" => (json!(service.read_only), isolation()),
        "userns_mode" if service.userns_mode == UsernsMode::Host => (json!("host"), isolation()),
        "isolation" if service.isolation == Isolation::Privileged => {
            (json!("privileged"), from("privileged = true"))
        }
        "security_opt" if service.no_new_privileges => {
            (json!(["no-new-privileges:true"]), isolation())
        }
        "security_opt" => (json!(["seccomp=unconfined"]), isolation()),
        "oom_score_adj" => (json!(service.oom_score()), ValueSource::Default),
        "type" if supervision.schedule.is_some() => (json!("oneshot"), from("schedule")),
        "type" => (json!("service"), ValueSource::Default),
        "restart" if service.restart == RestartPolicy::No => (json!("no"), kind()),
        "restart" if service.restart == RestartPolicy::Always => (json!("always"), kind()),
        "start_timeout" => {
            let timeout = supervision.start_timeout;
            let readiness = if oneshot { kind() } else { from("readiness") };
            (timeout.map_or(json!("infinity"), duration), readiness)
        }
        "restart_max_delay" => {
            let longest = supervision.restart_max_delay;
            let source = match longest == supervision.restart_delay {
                true => from("restart_delay"),
                false => ValueSource::Default,
            };
            (duration(longest), source)
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
