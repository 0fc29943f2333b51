//! Causes: short lower-case fragments for people.

use std::collections::VecDeque;
use std::time::Duration;

use orlop_config::{Condition, Need, ServiceName, Signal, StartLimit};

use crate::{ExitStatus, PastExit};

pub(crate) const AT_BOOT: &str = "started at boot";
pub(crate) const BY_REQUEST: &str = "started by request";
pub(crate) const STOPPED: &str = "stopped by request";
pub(crate) const SHUTDOWN: &str = "stopped for the shutdown";
pub(crate) const BEFORE_BOOT: &str = "waiting for the boot";
pub(crate) const NOT_AT_BOOT: &str = "not started at boot";
pub(crate) const SCHEDULED: &str = "started by its schedule";
pub(crate) const OUT_OF_MEMORY: &str = "killed for want of memory";
pub(crate) const LAUNCH_TOO_LONG: &str = "launch took longer than 30 s";

/// `exited with code 1`, `killed by SIGSEGV`.
pub(crate) fn exit(status: ExitStatus) -> String {
    match status {
        ExitStatus::Exited(code) => format!("exited with code {code}"),
        ExitStatus::Signaled(number) => format!("killed by {}", signal(number)),
        ExitStatus::Dumped(number) => format!("killed by {} (core dumped)", signal(number)),
    }
}

fn signal(number: i32) -> String {
    let name = Signal::parse(&number.to_string()).map(Signal::name);
    let name = name.ok().filter(|name| name.starts_with("SIG"));
    name.unwrap_or_else(|| format!("signal {number}"))
}

/// `…, restarting in 200 ms`.
pub(crate) fn restarting(end: &str, delay: Duration) -> String {
    format!("{end}, restarting in {}", duration(delay))
}

/// `waiting for "db" to start`.
pub(crate) fn waiting(on: &ServiceName, condition: Condition) -> String {
    match condition {
        Condition::Started => format!("waiting for \"{on}\" to start"),
        Condition::CompletedSuccessfully => format!("waiting for \"{on}\" to complete"),
        Condition::Healthy => format!("waiting for \"{on}\" to be healthy"),
    }
}

/// `waiting for the machine's address`.
pub(crate) fn needs(need: &Need) -> String {
    match need {
        Need::Link(None) => "waiting for a link".to_owned(),
        Need::Link(Some(name)) => format!("waiting for link {name}"),
        Need::Address => "waiting for an address".to_owned(),
        Need::Online => "waiting for the machine to be online".to_owned(),
        Need::Time => "waiting for the right time".to_owned(),
        Need::Path(path) | Need::Device(path) => format!("waiting for {}", path.display()),
    }
}

/// `exited with code 1, quarantined after 5 restarts within 10 s`, with other ends before that and
/// the next try.
pub(crate) fn quarantined(end: &str, limit: StartLimit, exits: &VecDeque<PastExit>) -> String {
    let restarts = limit.burst;
    let plural = if restarts == 1 { "" } else { "s" };
    let interval = duration(limit.interval);
    let mut text = format!("{end}, quarantined after {restarts} restart{plural} within {interval}");
    let mut before: Vec<&str> = Vec::new();
    for exit in exits {
        if exit.cause != end && !before.contains(&exit.cause.as_str()) {
            before.push(&exit.cause);
        }
    }
    if !before.is_empty() {
        text = format!("{text}; before that {}", before.join(", "));
    }
    match limit.retry_after {
        Some(after) => format!("{text}; next try in {}", duration(after)),
        None => text,
    }
}

/// `200 ms`, `1.6 s`, `60 s`: what a person needs of a duration.
pub(crate) fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..10_000 if millis % 1000 >= 100 => {
            format!("{}.{} s", millis / 1000, millis % 1000 / 100)
        }
        _ => format!("{} s", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_named() {
        assert_eq!(exit(ExitStatus::Exited(1)), "exited with code 1");
        assert_eq!(exit(ExitStatus::Signaled(11)), "killed by SIGSEGV");
        assert_eq!(exit(ExitStatus::Signaled(31)), "killed by SIGSYS");
        assert_eq!(exit(ExitStatus::Signaled(40)), "killed by SIGRTMIN+6");
        assert_eq!(exit(ExitStatus::Signaled(32)), "killed by signal 32");
        assert_eq!(exit(ExitStatus::Signaled(0)), "killed by signal 0");
        assert_eq!(exit(ExitStatus::Signaled(-1)), "killed by signal -1");
    }

    #[test]
    fn durations_are_short() {
        let said = |ms| duration(Duration::from_millis(ms));
        assert_eq!(said(0), "0 ms");
        assert_eq!(said(200), "200 ms");
        assert_eq!(said(1000), "1 s");
        assert_eq!(said(1640), "1.6 s");
        assert_eq!(said(61_500), "61 s");
    }
}
