//! `deploy`: Compose's other spelling of `scale` and of the restart keys.

use std::time::Duration;

use super::count;
use crate::RestartPolicy;
use crate::keys::Section;
use crate::parse::service::process::choice;
use crate::parse::service::span::{A_MILLISECOND, span};
use crate::tree::{Fields, Findings, Node, Place};

/// What `deploy` says.
#[derive(Debug, Default)]
pub(super) struct Deploy {
    pub(super) replicas: Option<(u32, Place)>,
    pub(super) policy: Option<Policy>,
}

/// `deploy.restart_policy`.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) place: Place,
    pub(super) condition: Option<(RestartPolicy, Place)>,
    pub(super) delay: Option<(Duration, Place)>,
    pub(super) max_attempts: Option<u32>,
    pub(super) window: Option<(Duration, Place)>,
}

pub(super) fn deploy(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Deploy {
    let table = fields.get("deploy").and_then(|n| n.table(findings));
    let Some(table) = table else {
        return Deploy::default();
    };
    let fields = Fields::read(table, Section::Deploy, "deploy", findings);
    let replicas = fields.get("replicas").and_then(|node| {
        let count = super::scale::instances(node, findings)?;
        Some((count, node.place.clone()))
    });
    let policy = fields
        .get("restart_policy")
        .and_then(|node| policy(node, fields.place("restart_policy")?, findings));
    Deploy { replicas, policy }
}

fn policy(node: &Node<'_>, place: &Place, findings: &mut Findings<'_>) -> Option<Policy> {
    let path = "deploy.restart_policy";
    let fields = Fields::read(
        node.table(findings)?,
        Section::RestartPolicy,
        path,
        findings,
    );
    let condition = fields
        .get("condition")
        .and_then(|node| Some((condition(node, findings)?, node.place.clone())));
    let placed = |key, findings: &mut Findings<'_>| {
        let node = fields.get(key)?;
        Some((span(node, A_MILLISECOND, findings)?, node.place.clone()))
    };
    Some(Policy {
        place: place.clone(),
        condition,
        delay: placed("delay", findings),
        window: placed("window", findings),
        max_attempts: fields.get("max_attempts").and_then(|n| count(n, findings)),
    })
}

fn condition(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<RestartPolicy> {
    match node.string(findings)? {
        "any" => Some(RestartPolicy::Always),
        "on-failure" => Some(RestartPolicy::OnFailure { max_retries: None }),
        "none" => Some(RestartPolicy::No),
        text @ ("always" | "unless-stopped" | "no") => {
            let instead = if text == "no" { "none" } else { "any" };
            node.error(
                findings,
                format!("\"{text}\" is a word of restart; write \"{instead}\" here"),
            );
            None
        }
        text => {
            choice(node, findings, text, &["any", "on-failure", "none"]);
            None
        }
    }
}
