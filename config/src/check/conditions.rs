//! `depends_on.<name>.condition`: whether the other service can ever meet it.

use super::{Files, Said};
use crate::tree::quoted;
use crate::{Condition, Kind, Machine, RestartPolicy, Service};

pub(super) fn check_conditions(files: &Files<'_>, machine: &Machine, said: &mut Said) {
    let starts = |service: &Option<Service>| service.as_ref().is_some_and(|s| machine.starts(s));
    for (name, file) in files {
        for (needed, how, place) in &file.draft.depends_on {
            // Of a file with errors it is not known what is meant.
            let other = files.get(needed).filter(|file| file.findings.errors() == 0);
            let Some(other) = other.and_then(|file| file.draft.service.as_ref()) else {
                continue;
            };
            let shown = quoted(needed.as_str());
            match how.condition {
                Condition::Healthy if other.supervision.health.is_none() => said.error(
                    name,
                    place,
                    format!(
                        "{shown} has no healthcheck that could pass; write healthcheck = {{ http = \":80/\" }} or the like in services/{needed}/service.toml, or condition = \"service_started\" here"
                    ),
                ),
                Condition::CompletedSuccessfully if never_completes(other) => said.error(
                    name,
                    place,
                    format!(
                        "{shown} never completes, as it is started again after a success; write type = \"oneshot\" in services/{needed}/service.toml, or condition = \"service_started\" here"
                    ),
                ),
                _ if how.required && !machine.starts(other) && starts(&file.draft.service) => said
                    .error(
                        name,
                        place,
                        format!(
                            "{shown} is not started at the boot, as system.toml lists none of its profiles; write profiles = [{}] there, or required = false here",
                            quoted(other.profiles.first().map_or("", String::as_str))
                        ),
                    ),
                _ => {}
            }
        }
    }
}

fn never_completes(service: &Service) -> bool {
    let again = matches!(
        service.restart,
        RestartPolicy::Always | RestartPolicy::UnlessStopped | RestartPolicy::OnSuccess
    );
    again && service.supervision.kind == Kind::Service
}
