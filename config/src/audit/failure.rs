//! What its failure does to others: whoever takes the service over can make it fail.

use super::{Found, Reach};
use crate::Service;
use crate::supervision::MachineAction;

pub(super) fn look(service: &Service, found: &mut Found<'_>) {
    let then = &service.supervision.on_failure;
    if let Some(action) = then.machine {
        let (word, does) = match action {
            MachineAction::Reboot => ("reboot", "restarts"),
            MachineAction::PowerOff => ("poweroff", "turns off"),
        };
        found.add(
            Reach::Machine,
            format!("on_failure = [\"{word}\"]"),
            format!("it {does} the machine by failing often enough"),
            "leave it out, if the rest of the machine is of use without it",
        );
    }
    if then.restart_dependents {
        found.add(
            Reach::Services,
            "on_failure = [\"restart-dependents\"]",
            "it restarts the services that depend on it by failing often enough",
            "leave it out, if they recover by themselves",
        );
    }
    if let Some(other) = &then.start {
        found.add(
            Reach::Services,
            format!("on_failure = [\"start:{other}\"]"),
            format!("it starts {other} by failing often enough"),
            "leave it out, if that may run all the time",
        );
    }
}
