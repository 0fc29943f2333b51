//! `needs`: what the machine must have before a start.

use std::path::PathBuf;

use crate::Need;
use crate::parse::machine::is_link_name;
use crate::parse::service::lists::below_dev;
use crate::parse::service::process::choice;
use crate::scalar::absolute;
use crate::tree::{Findings, Node, quoted};

pub(super) fn needs(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Vec<Need>> {
    let mut needs = Vec::new();
    for entry in node.list(findings)? {
        match need(&entry, findings) {
            Some(need) if needs.contains(&need) => {
                entry.error(
                    findings,
                    format!(
                        "{} is here a second time; remove it",
                        quoted(&need.to_string())
                    ),
                );
            }
            need => needs.extend(need),
        }
    }
    Some(needs)
}

fn need(entry: &Node<'_>, findings: &mut Findings<'_>) -> Option<Need> {
    let text = entry.string(findings)?;
    let path = |path: Result<PathBuf, &'static str>, findings: &mut Findings<'_>| {
        entry.parsed(findings, text, path)
    };
    let (word, rest) = match text.split_once(':') {
        Some((word, rest)) => (word, Some(rest)),
        None => (text, None),
    };
    match (word, rest) {
        ("link", None) => Some(Need::Link(None)),
        ("link", Some(name)) if is_link_name(name) => Some(Need::Link(Some(name.to_owned()))),
        ("link", Some(name)) => {
            entry.error(
                findings,
                format!(
                    "{} is no link's name, at most 15 letters; write \"link:eth0\"",
                    quoted(name)
                ),
            );
            None
        }
        ("address", None) => Some(Need::Address),
        ("online", None) => Some(Need::Online),
        ("time", None) => Some(Need::Time),
        ("path", Some(rest)) => path(absolute(rest), findings).map(Need::Path),
        ("device", Some(rest)) => path(below_dev(rest), findings).map(Need::Device),
        ("path" | "device", None) => {
            entry.refuse(findings, &format!("{} says no path", quoted(text)));
            None
        }
        ("address" | "online" | "time", Some(_)) => {
            entry.error(
                findings,
                format!("{} says too much; write \"{word}\"", quoted(text)),
            );
            None
        }
        _ => {
            let choices = [
                "link",
                "address",
                "online",
                "time",
                "path:/…",
                "device:/dev/…",
            ];
            choice(entry, findings, text, &choices);
            None
        }
    }
}
