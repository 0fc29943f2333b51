//! Keys that ask for what is so anyway: taken when they ask for that, refused when for something else.

use super::ports::range;
use crate::tree::{Fields, Findings};
use crate::{Isolation, ServiceName};

pub(super) fn check(name: &ServiceName, fields: &Fields<'_>, findings: &mut Findings<'_>) {
    let words: [(&str, &[&str], &str); 3] = [
        (
            "container_name",
            &[name.as_str()],
            "a service is called as its folder is; remove it, or rename the folder",
        ),
        (
            "platform",
            &["linux/amd64", "linux/x86_64"],
            "the machine and its images are linux/amd64; remove it",
        ),
        (
            "pull_policy",
            &["missing", "if_not_present", "never", "build"],
            "images are made by `orlop build`, never pulled from a registry; remove it",
        ),
    ];
    for (key, taken, why) in words {
        let Some(node) = fields.get(key) else {
            continue;
        };
        if node
            .string(findings)
            .is_some_and(|text| !taken.contains(&text))
        {
            node.error(findings, why);
        }
    }
    for key in ["tty", "stdin_open"] {
        if let Some(node) = fields.get(key)
            && node.boolean(findings) == Some(true)
        {
            node.error(
                findings,
                "nobody is at a service's standard input; remove it, or give it a terminal by devices = [\"/dev/ttyS0:/dev/console\"]",
            );
        }
    }
    let exposed = fields.get("expose").and_then(|node| node.list(findings));
    for entry in exposed.unwrap_or_default() {
        let Some(text) = entry.string_or_number(findings) else {
            continue;
        };
        let port = text.strip_suffix("/udp").or(text.strip_suffix("/tcp"));
        if range(port.unwrap_or(&text)).is_none() {
            entry.refuse(findings, "is no port");
        }
    }
}

/// `isolation`, and `privileged`, which is one of it.
pub(super) fn privileged(
    fields: &Fields<'_>,
    isolation: Option<Isolation>,
    findings: &mut Findings<'_>,
) -> Isolation {
    let privileged = fields.get("privileged").and_then(|n| n.boolean(findings));
    let says = isolation.map(|isolation| isolation == Isolation::Privileged);
    if let Some(place) = fields.place("privileged")
        && privileged.is_some()
        && says.is_some_and(|says| Some(says) != privileged)
    {
        findings.error(place, "is not what isolation says; remove one of the two");
    }
    match privileged {
        Some(true) => Isolation::Privileged,
        _ => isolation.unwrap_or_default(),
    }
}

/// `security_opt`: whether no program gains privileges by its file.
pub(super) fn no_new_privileges(
    fields: &Fields<'_>,
    isolation: Isolation,
    findings: &mut Findings<'_>,
) -> bool {
    let privileged = isolation == Isolation::Privileged;
    let mut kept = !privileged;
    let entries = fields.get("security_opt").and_then(|n| n.list(findings));
    for entry in entries.unwrap_or_default() {
        let Some(text) = entry.string(findings) else {
            continue;
        };
        let (option, value) = text.split_once([':', '=']).unwrap_or((text, "true"));
        let why = match (option, value) {
            ("no-new-privileges", "true") => {
                kept = true;
                continue;
            }
            ("no-new-privileges", "false") | ("seccomp" | "systempaths", "unconfined") => {
                if privileged {
                    continue;
                }
                "is for privileged services; remove it, or write isolation = \"privileged\""
            }
            ("seccomp", _) => {
                "a filter of one's own is not supported yet; remove it: isolation and cap_add choose the filter"
            }
            ("apparmor" | "label", _) => {
                "the machine has no such profiles; remove it: user namespace, capabilities and seccomp confine it"
            }
            _ => "is not known; write \"no-new-privileges:true\" or \"seccomp=unconfined\"",
        };
        entry.error(findings, why);
    }
    kept
}
