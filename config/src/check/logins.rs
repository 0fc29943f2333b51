//! `control = ["access.ssh"]`: the service that lets people in is given the machine's `[access]`
//! (adr/0012).

use super::{Files, Said};
use crate::tree::Place;
use crate::{Access, Service};

/// Where the holder finds the keys, one a line.
pub(crate) const AUTHORIZED_KEYS: &str = "SSH_AUTHORIZED_KEYS";

pub(super) fn give_access(files: &mut Files<'_>, access: &Access, said: &mut Said) {
    for (name, file) in files {
        let Some(service) = file
            .draft
            .service
            .as_mut()
            .filter(|service| lets_people_in(service))
        else {
            continue;
        };
        if access.ssh_keys.is_empty() {
            let message = "nobody could log in; write ssh_keys = [\"ssh-ed25519 AAAA… you@laptop\"] below [access] in system.toml, the line of your .pub file";
            said.error(name, &Place::default(), message.to_owned());
            continue;
        }
        let keys = access.ssh_keys.join("\n");
        service.environment.insert(AUTHORIZED_KEYS.to_owned(), keys);
        let known = service.control.clone();
        let more = access
            .ssh_control
            .iter()
            .filter(|grant| !known.contains(grant));
        service.control.extend(more.cloned());
    }
}

/// Whether a service is given them. By name: `*` grants methods only.
pub(crate) fn lets_people_in(service: &Service) -> bool {
    let mut grants = service.control.iter();
    grants.any(|grant| matches!(grant.as_str(), "access.ssh" | "access.*"))
}
