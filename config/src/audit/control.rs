//! What a service may ask of PID 1 (the grants of `docs/architecture.md`).

use super::{Found, Reach};
use crate::{Grant, Service};

pub(super) fn look(service: &Service, found: &mut Found<'_>) {
    for grant in &service.control {
        let (reach, allows) = told(grant);
        let instead = if grant.as_str().ends_with('*') {
            "only the methods that it calls, each by its name"
        } else {
            "leave it out, if it does not call that"
        };
        found.add(reach, format!("control = [\"{grant}\"]"), allows, instead);
    }
}

fn told(grant: &Grant) -> (Reach, &'static str) {
    let text = grant.as_str();
    match text {
        "*" => (
            Reach::Machine,
            "it may ask PID 1 for everything that there is to ask",
        ),
        "access.ssh" | "access.*" => (
            Reach::Itself,
            "it is given the keys of `[access] ssh_keys`, and may what `ssh_control` grants a login",
        ),
        "log.streams" | "log.*" => (Reach::Services, "it reads what all services write"),
        "machine.info" | "machine.booted" => (Reach::Itself, "it may ask about the machine"),
        "network.lease" | "network.*" => (
            Reach::Machine,
            "it gives the machine's links their addresses, router and name servers",
        ),
        "services.list" => (
            Reach::Itself,
            "it sees which services there are and how they do",
        ),
        "services.logs" => (Reach::Services, "it reads what all services have written"),
        "services.exec" => (
            Reach::Machine,
            "it may run any program in any service, a privileged one too, as any of its users",
        ),
        "services.kill" => (Reach::Services, "it may send any signal to any service"),
        "services.start" | "services.stop" | "services.restart" => {
            (Reach::Services, "it may start and stop any service")
        }
        "services.*" => (
            Reach::Machine,
            "it may start, stop and signal any service, read what they write, and run any program in any of them, a privileged one too",
        ),
        "time.adjust" | "time.*" => (
            Reach::Machine,
            "it sets the machine's clock: to any time since the image was made when nobody has for nine hours, else by 1.8 s an hour",
        ),
        _ if text.starts_with("machine.") => {
            (Reach::Machine, "it may turn the machine off or restart it")
        }
        _ => (Reach::Machine, "it may ask that of PID 1"),
    }
}
