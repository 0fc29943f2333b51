//! `on_failure`, `on_unhealthy`, `oom_policy`.

use crate::parse::service::process::choice;
use crate::tree::{Fields, Findings, Node, Place, quoted};
use crate::{
    MachineAction, OnFailure, OnUnhealthy, OomPolicy, RestartPolicy, ServiceName, Supervision,
};

/// Reads `on_failure` into `supervision`, which is known but for that; the service to start, with
/// its place.
pub(super) fn on_failure(
    fields: &Fields<'_>,
    supervision: &mut Supervision,
    restart: RestartPolicy,
    findings: &mut Findings<'_>,
) -> Option<(ServiceName, Place)> {
    let node = fields.get("on_failure")?;
    let mut found = OnFailure::default();
    let mut rescue = None;
    for entry in node.one_or_list(findings)? {
        action(&entry, &mut found, &mut rescue, findings);
    }
    let written = found != OnFailure::default();
    supervision.on_failure = found;
    if written && never_fails(supervision, restart) {
        findings.warning(
            &node.place,
            "never happens, as this service is started again for ever; write start_limit = { burst = 5, interval = \"10s\" } or restart = \"on-failure:3\" too",
        );
    }
    rescue
}

/// Whether no end can be its last one.
fn never_fails(supervision: &Supervision, restart: RestartPolicy) -> bool {
    let endless = match restart {
        RestartPolicy::OnFailure { max_retries } => max_retries.is_none(),
        RestartPolicy::Always | RestartPolicy::UnlessStopped => supervision.max_attempts.is_none(),
        _ => false,
    };
    endless
        && supervision.start_limit.is_none()
        && supervision.restart_prevent_exit_status.is_empty()
}

fn action(
    entry: &Node<'_>,
    found: &mut OnFailure,
    rescue: &mut Option<(ServiceName, Place)>,
    findings: &mut Findings<'_>,
) {
    let Some(text) = entry.string(findings) else {
        return;
    };
    let machine = match text {
        "restart-dependents" if !found.restart_dependents => {
            found.restart_dependents = true;
            return;
        }
        "reboot" => MachineAction::Reboot,
        "poweroff" => MachineAction::PowerOff,
        "restart-dependents" => {
            entry.error(findings, "is here a second time; remove it");
            return;
        }
        _ => {
            match text.strip_prefix("start:") {
                Some(name) => start(entry, name, found, rescue, findings),
                None => choice(
                    entry,
                    findings,
                    text,
                    &["restart-dependents", "start:service", "reboot", "poweroff"],
                ),
            }
            return;
        }
    };
    match found.machine.replace(machine) {
        Some(other) if other == machine => {
            entry.error(findings, "is here a second time; remove it");
        }
        Some(_) => entry.error(
            findings,
            "a machine cannot both reboot and power off; remove one of the two",
        ),
        None => {}
    }
}

fn start(
    entry: &Node<'_>,
    name: &str,
    found: &mut OnFailure,
    rescue: &mut Option<(ServiceName, Place)>,
    findings: &mut Findings<'_>,
) {
    let Some(service) = ServiceName::new(name) else {
        entry.error(
            findings,
            format!(
                "{} is no service's name; write \"start:name\" with the name of a folder below services/",
                quoted(name)
            ),
        );
        return;
    };
    if found.start.replace(service.clone()).is_some() {
        entry.error(
            findings,
            "starts a second service; write one, and depends_on in that",
        );
    }
    *rescue = Some((service, entry.place.clone()));
}

/// Reads `on_unhealthy` into `supervision`.
pub(super) fn on_unhealthy(
    fields: &Fields<'_>,
    supervision: &mut Supervision,
    findings: &mut Findings<'_>,
) {
    let Some(node) = fields.get("on_unhealthy") else {
        return;
    };
    if fields.get("healthcheck").is_none() && !fields.meant(&["healthcheck"]) {
        node.error(
            findings,
            "there is no healthcheck that could fail; write healthcheck = { http = \":80/\" } too, or remove it",
        );
    }
    match node.string(findings) {
        Some("restart") => supervision.on_unhealthy = OnUnhealthy::Restart,
        Some("none") => supervision.on_unhealthy = OnUnhealthy::None,
        Some(text) => choice(node, findings, text, &["restart", "none"]),
        None => {}
    }
}

pub(super) fn oom_policy(fields: &Fields<'_>, findings: &mut Findings<'_>) -> OomPolicy {
    let Some(node) = fields.get("oom_policy") else {
        return OomPolicy::default();
    };
    match node.string(findings) {
        Some("stop") => OomPolicy::Stop,
        Some("kill") => OomPolicy::Kill,
        Some("continue") | None => OomPolicy::Continue,
        Some(text) => {
            choice(node, findings, text, &["continue", "stop", "kill"]);
            OomPolicy::Continue
        }
    }
}
