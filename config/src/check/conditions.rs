//! `depends_on.<name>.condition`: whether the other service can ever meet it.

use std::collections::BTreeMap;

use super::Files;
use crate::tree::quoted;
use crate::{Condition, Kind, RestartPolicy, Service, ServiceName};

/// What a service will never be.
#[derive(Clone, Copy)]
struct Never {
    healthy: bool,
    complete: bool,
}

pub(super) fn check_conditions(files: &mut Files<'_>) {
    // Of a file with errors it is not known what is meant.
    let sound = files.iter().filter(|(_, file)| file.findings.errors() == 0);
    let never: BTreeMap<ServiceName, Never> = sound
        .filter_map(|(name, file)| Some((name.clone(), never(file.draft.service.as_ref()?))))
        .collect();
    for file in files.values_mut() {
        for (needed, how, place) in &file.draft.depends_on {
            let Some(never) = never.get(needed) else {
                continue;
            };
            let name = quoted(needed.as_str());
            match how.condition {
                Condition::Healthy if never.healthy => file.findings.error(
                    place,
                    format!(
                        "{name} has no healthcheck that could pass; write healthcheck = {{ http = \":80/\" }} or the like in services/{needed}/service.toml, or condition = \"service_started\" here"
                    ),
                ),
                Condition::CompletedSuccessfully if never.complete => file.findings.error(
                    place,
                    format!(
                        "{name} never completes, as it is started again after a success; write type = \"oneshot\" in services/{needed}/service.toml, or condition = \"service_started\" here"
                    ),
                ),
                _ => {}
            }
        }
    }
}

fn never(service: &Service) -> Never {
    let again = matches!(
        service.restart,
        RestartPolicy::Always | RestartPolicy::UnlessStopped | RestartPolicy::OnSuccess
    );
    Never {
        healthy: service.supervision.health.is_none(),
        complete: again && service.supervision.kind == Kind::Service,
    }
}
