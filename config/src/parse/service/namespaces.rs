//! `pid ipc uts cgroup`: the namespaces that a service may share with the machine.

use super::process::choice;
use crate::tree::{Fields, Findings};
use crate::{HostNamespaces, UsernsMode};

pub(super) fn host_namespaces(
    fields: &Fields<'_>,
    userns: UsernsMode,
    findings: &mut Findings<'_>,
) -> HostNamespaces {
    let mut is_host = |key| is_host(fields, key, userns, findings).unwrap_or_default();
    let shared = HostNamespaces {
        pid: is_host("pid"),
        ipc: is_host("ipc"),
        uts: is_host("uts"),
        cgroup: is_host("cgroup"),
    };
    for key in ["hostname", "domainname"] {
        if let Some(place) = fields.place(key).filter(|_| shared.uts) {
            findings.error(
                place,
                "would be the machine's with uts = \"host\"; remove one of the two",
            );
        }
    }
    shared
}

fn is_host(
    fields: &Fields<'_>,
    key: &str,
    userns: UsernsMode,
    findings: &mut Findings<'_>,
) -> Option<bool> {
    let node = fields.get(key)?;
    let text = node.string(findings)?;
    match text {
        "private" => {}
        "host" if userns == UsernsMode::Host => return Some(true),
        "host" => node.error(
            findings,
            "\"host\" is for services in the machine's user namespace; remove it, or write userns_mode = \"host\" too",
        ),
        _ if text.starts_with("service:") || text.starts_with("container:") => node.error(
            findings,
            "another service's namespace cannot be joined, as it ends with each restart of that one; remove it",
        ),
        _ => choice(node, findings, text, &["private", "host"]),
    }
    None
}
