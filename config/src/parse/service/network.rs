//! `network_mode` and `userns_mode`.

use crate::parse::service::process::choice;
use crate::tree::{Findings, Node, quoted};
use crate::{NetworkMode, UsernsMode};

pub(super) fn network_mode(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<NetworkMode> {
    match node.string(findings)? {
        "bridge" => return Some(NetworkMode::Bridge),
        "none" => return Some(NetworkMode::None),
        "host" => return Some(NetworkMode::Host),
        text if text.starts_with("service:") || text.starts_with("container:") => node.error(
            findings,
            format!(
                "{} (another service's network) is not supported yet; remove it: services reach each other on the bridge",
                quoted(text)
            ),
        ),
        text => choice(node, findings, text, &["bridge", "none", "host"]),
    }
    None
}

pub(super) fn userns_mode(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<UsernsMode> {
    match node.string(findings)? {
        "host" => Some(UsernsMode::Host),
        text => {
            let message = format!(
                "{} is not known; remove userns_mode for a user namespace of its own, or write \"host\" to leave it",
                quoted(text)
            );
            node.error(findings, message);
            None
        }
    }
}
