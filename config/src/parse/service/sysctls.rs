//! `sysctls` of a service: those that its own namespaces have.

use std::collections::BTreeMap;

use crate::parse::machine;
use crate::tree::{Findings, Node, quoted, shown};
use crate::{HostNamespaces, NetworkMode};

/// Those of an IPC namespace (ipc_namespaces(7)); what ends in a dot is a family.
const IPC: [&str; 9] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "fs.mqueue.",
];

pub(super) fn sysctls(
    node: &Node<'_>,
    network: NetworkMode,
    shared: HostNamespaces,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, String> {
    let mut sysctls = BTreeMap::new();
    for (name, place, value) in machine::sysctls(node, findings) {
        let dotted = name.replace('/', ".");
        let ipc = |known: &&str| match known.ends_with('.') {
            true => dotted.starts_with(*known),
            false => dotted == **known,
        };
        let own = match dotted.starts_with("net.") {
            true => network != NetworkMode::Host,
            false => IPC.iter().any(ipc) && !shared.ipc,
        };
        if !own {
            findings.error(
                &place,
                format!(
                    "{} is the whole machine's; remove it, or write [sysctls] with \"{}\" = {} in system.toml",
                    quoted(&name),
                    shown(&name),
                    quoted(&value)
                ),
            );
        }
        sysctls.insert(name, value);
    }
    sysctls
}
