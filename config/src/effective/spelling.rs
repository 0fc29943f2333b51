//! Values that stand under the other of two spellings: `scale` and limits, and what `deploy` calls them.

use serde_json::json;

use super::{EffectiveKey, EffectiveValue, ValueSource};
use crate::{RestartPolicy, Service};

/// The service's own key, and the same below `deploy`.
const SPELLINGS: [(&str, &str); 7] = [
    ("scale", "deploy.replicas"),
    ("cpus", "deploy.resources.limits.cpus"),
    ("mem_limit", "deploy.resources.limits.memory"),
    ("pids_limit", "deploy.resources.limits.pids"),
    ("mem_reservation", "deploy.resources.reservations.memory"),
    ("restart_delay", "deploy.restart_policy.delay"),
    ("restart_reset_after", "deploy.restart_policy.window"),
];

/// The policy of restarts has other words below `deploy`.
const CONDITION: &str = "deploy.restart_policy.condition";

/// Gives each key that is not written the value that stands under its other spelling.
pub(super) fn resolve(keys: &mut [EffectiveKey], service: &Service) {
    let pairs = SPELLINGS.iter();
    for (key, other) in pairs.flat_map(|&(own, deploy)| [(own, deploy), (deploy, own)]) {
        if let Some(found) = written(keys, other) {
            take(keys, key, found);
        }
    }
    if let Some((_, place)) = written(keys, CONDITION) {
        let word = EffectiveValue::Literal(json!(restart(service.restart)));
        take(keys, "restart", (word, place));
    }
}

/// What is written for a key, and where, as another key names it.
pub(super) fn written(keys: &[EffectiveKey], name: &str) -> Option<(EffectiveValue, ValueSource)> {
    let key = keys.iter().find(|key| key.key == name)?;
    let ValueSource::Manifest { file, line } = &key.source else {
        return None;
    };
    let place = ValueSource::OtherKey {
        key: name.to_owned(),
        file: file.clone(),
        line: *line,
    };
    Some((key.value.clone(), place))
}

fn take(keys: &mut [EffectiveKey], name: &str, (value, source): (EffectiveValue, ValueSource)) {
    let mut unwritten = keys.iter_mut().filter(|key| !key.writable);
    if let Some(key) = unwritten.find(|key| key.key == name) {
        key.value = value;
        key.source = source;
    }
}

/// A policy that `deploy.restart_policy` can have, as `restart` says it.
fn restart(policy: RestartPolicy) -> String {
    match policy {
        RestartPolicy::No => "no".to_owned(),
        RestartPolicy::OnFailure {
            max_retries: Some(tries),
        } => format!("on-failure:{tries}"),
        RestartPolicy::OnFailure { max_retries: None } => "on-failure".to_owned(),
        _ => "always".to_owned(),
    }
}
