//! What runs, as whom, and how it ends: `command entrypoint user working_dir stop_signal isolation`.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use crate::nearest::nearest;
use crate::parse::service::build::is_account_name;
use crate::scalar::{absolute, split};
use crate::tree::{Findings, Node, quoted};
use crate::{Isolation, Signal, UserSpec, UsernsMode};

/// `stop_grace_period` when it is not written: Compose's.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// `command` and `entrypoint`: a list, or text that is split as a shell would.
pub(super) fn arguments(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    let arguments = match node.value {
        DeValue::String(_) => match split(node.string(findings)?) {
            Ok(words) => words,
            Err(what) => {
                node.refuse(findings, what);
                return None;
            }
        },
        DeValue::Array(_) => node.strings(findings)?,
        _ => {
            node.wrong_type(findings, "a list of arguments, or text");
            return None;
        }
    };
    if arguments.first().is_some_and(String::is_empty) {
        node.refuse(
            findings,
            "the first argument is empty, but it names the program",
        );
        return None;
    }
    Some(arguments)
}

/// `user` when it is not written.
pub(super) fn root() -> UserSpec {
    UserSpec {
        user: "0".to_owned(),
        group: None,
    }
}

pub(super) fn user(
    node: &Node<'_>,
    userns: UsernsMode,
    findings: &mut Findings<'_>,
) -> Option<UserSpec> {
    let text = node.string_or_number(findings)?;
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text.as_str(), None),
    };
    for part in [Some(user), group].into_iter().flatten() {
        account(part, userns, node, findings)?;
    }
    Some(UserSpec {
        user: user.to_owned(),
        group: group.map(str::to_owned),
    })
}

/// A user's or group's name or id.
fn account(
    text: &str,
    userns: UsernsMode,
    node: &Node<'_>,
    findings: &mut Findings<'_>,
) -> Option<()> {
    // An own user namespace has the ids 0 to 65535; 4294967295 is "no id" to the kernel.
    let largest = match userns {
        UsernsMode::Private => 65_535,
        UsernsMode::Host => u32::MAX - 1,
    };
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if number && !text.parse().is_ok_and(|id: u32| id <= largest) {
        node.error(
            findings,
            format!(
                "there is no id {} in the container; write 0 to {largest}",
                quoted(text)
            ),
        );
        return None;
    }
    if !number && !is_account_name(text) {
        node.refuse(
            findings,
            &format!("{} is neither a name nor an id", quoted(text)),
        );
        return None;
    }
    Some(())
}

/// `group_add`.
pub(super) fn groups(
    node: &Node<'_>,
    userns: UsernsMode,
    findings: &mut Findings<'_>,
) -> Option<Vec<String>> {
    let mut groups = Vec::new();
    for entry in node.list(findings)? {
        let text = entry.string_or_number(findings);
        groups.extend(text.filter(|text| account(text, userns, &entry, findings).is_some()));
    }
    Some(groups)
}

pub(super) fn working_dir(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<PathBuf> {
    let text = node.string(findings)?;
    if !text.starts_with(['/', '~', '$', '.']) && !text.is_empty() {
        let whole = quoted(&format!("/{text}"));
        let text = quoted(text);
        node.error(
            findings,
            format!("{text} does not begin at /; write working_dir = {whole}"),
        );
        return None;
    }
    node.parsed(findings, text, absolute(text))
}

/// Reports a word that is none of the choices.
pub(crate) fn choice(node: &Node<'_>, findings: &mut Findings<'_>, text: &str, choices: &[&str]) {
    // A part of one word alone, such as healthy, is that word.
    let mut parts = choices
        .iter()
        .filter(|choice| text.len() > 4 && choice.contains(text));
    let part = match (parts.next(), parts.next()) {
        (Some(only), None) => Some(*only),
        _ => None,
    };
    let message = match part.or_else(|| nearest(text, choices.iter().copied())) {
        Some(near) => format!("{} is not known; write \"{near}\"", quoted(text)),
        None => format!(
            "{} is not known; write one of \"{}\"",
            quoted(text),
            choices.join("\", \"")
        ),
    };
    node.error(findings, message);
}

pub(super) fn stop_signal(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Signal> {
    let text = node.string_or_number(findings)?;
    match Signal::parse(&text) {
        Ok(signal) => Some(signal),
        Err(message) => {
            node.error(findings, message);
            None
        }
    }
}

pub(super) fn isolation(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Isolation> {
    match node.string(findings)? {
        "restricted" => Some(Isolation::Restricted),
        "baseline" => Some(Isolation::Baseline),
        "privileged" => Some(Isolation::Privileged),
        "default" => {
            node.error(findings, "\"default\" is Docker's word; write \"baseline\" for Docker's defaults, or remove it");
            None
        }
        text => {
            choice(
                node,
                findings,
                text,
                &["restricted", "baseline", "privileged"],
            );
            None
        }
    }
}
