//! What a person sees on the console after the stages: which service came up when and at which
//! ports. The whole boot and the console's welcome, which says how to leave, fit a screen of 24
//! lines.

use std::collections::BTreeMap;

use orlop_config::{Diagnostic, Protocol, ServiceName, Severity};
use orlop_control::server::Reply;
use orlop_supervisor::{ServiceState, Stopping, Time};
use serde_json::json;

use super::Machine;
use crate::boot::since;
use crate::clock::{boottime, seconds};
use crate::report::{Report, uptime_ms};

impl Machine {
    /// One line for each service that comes up during the boot or fails at any time; a restart
    /// while the machine runs is in the log and in `orlop ps`, not on the console.
    pub(crate) fn show_state(&self, service: &ServiceName, state: ServiceState, cause: &str) {
        // The first start and the first failure of each: a crash loop must not scroll the boot away.
        let restarts = self
            .supervisor
            .status(service)
            .map_or(0, |status| status.restarts);
        let booting = self.booted_at.is_zero() && restarts == 0;
        match state {
            ServiceState::Up if booting => {
                let ports = self.units.get(service).map(ports_text).unwrap_or_default();
                self.show_moment(service.as_str(), &format!("up{ports}"));
            }
            ServiceState::Down if booting => self.show_moment(service.as_str(), cause),
            ServiceState::Failed => self.shared.report.warn(&format!("  ! {service}: {cause}")),
            ServiceState::BackingOff if booting => {
                self.shared.report.warn(&format!("  ! {service}: {cause}"));
            }
            _ => {}
        }
    }

    /// Who a shutdown still waits for, for how long already and for how long at the most.
    pub(super) fn show_waiting(&self) {
        let now = boottime();
        let services = self.supervisor.services();
        let waiting: Vec<String> = services
            .filter_map(|(name, status)| {
                let stopping = self.supervisor.stopping(name)?;
                Some(waiting_text(name, status.since, stopping, now))
            })
            .collect();
        if !waiting.is_empty() {
            let report = &self.shared.report;
            report.line(&format!("Waiting for {} to stop", waiting.join(", ")));
        }
    }

    /// What is there since this moment of the boot: `at` sets it apart from the stages, which show
    /// how long they took.
    pub(super) fn show_moment(&self, name: &str, what: &str) {
        let at = format!("at {} s", seconds(since(self.shared.handed_over)));
        self.shared
            .report
            .line(&format!("  \x1b[32m✓\x1b[0m {name:14} {at:>10}  {what}"));
    }

    /// The last line of the boot.
    pub(crate) fn boot_complete(&mut self) {
        let took = since(self.shared.handed_over);
        self.booted_at = boottime();
        self.shared.booted.send_replace(true);
        let up = self.count(ServiceState::Up);
        let all = self.units.len() + self.shared.broken.len();
        let report = &self.shared.report;
        let others = if up < all {
            "; the others: orlop ps"
        } else {
            ""
        };
        report.line(&format!(
            "\x1b[1mReady\x1b[0m in {} s: {up} of {all} services up{others}",
            seconds(took)
        ));
        for waiting in std::mem::take(&mut self.waiting_for_boot) {
            waiting.ok(Reply::Done {});
        }
        report.event(&json!({
            "event": "boot-complete",
            "uptime_ms": uptime_ms(),
            "boot_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "up": up,
            "services": all,
        }));
    }

    fn count(&self, state: ServiceState) -> usize {
        self.supervisor
            .services()
            .filter(|(_, status)| status.state == state)
            .count()
    }
}

/// `web (12 s of 30 s)`; of one that was killed, `web (killed 2 s ago)`.
fn waiting_text(name: &ServiceName, since: Time, stopping: Stopping, now: Time) -> String {
    let waited = |from| now.saturating_sub(from).as_secs();
    match stopping {
        Stopping::Until(bound) => {
            let whole = bound.saturating_sub(since).as_secs();
            format!("{name} ({} s of {whole} s)", waited(since))
        }
        Stopping::KilledAt(at) => format!("{name} (killed {} s ago)", waited(at)),
    }
}

/// The published ports, to follow a service's state: `, port 80, port 53/udp`.
fn ports_text(unit: &crate::running::Unit) -> String {
    let ports = unit.service.ports.iter();
    ports
        .map(|port| {
            let protocol = match port.protocol {
                Protocol::Tcp => "",
                Protocol::Udp => "/udp",
            };
            format!(", port {}{protocol}", port.published)
        })
        .collect()
}

/// Every error of every service that is left out, in the words of `orlop check`, and who else is left
/// out for its sake.
pub(super) fn tell_left_out(
    report: &Report,
    findings: &[Diagnostic],
    broken: &BTreeMap<String, String>,
) {
    let mut told = Vec::new();
    for finding in findings {
        if finding.severity == Severity::Error && finding.file.starts_with("services/") {
            let sentence = finding.to_string();
            report.warn(&format!("  ! {sentence}"));
            told.push(sentence);
        }
    }
    for (name, reason) in broken {
        if !told.contains(reason) {
            report.warn(&format!("  ! {name}: {reason}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_console_says_for_how_long() {
        let name = ServiceName::new("web").unwrap();
        let seconds = Duration::from_secs;
        let text = |stopping, now| waiting_text(&name, seconds(100), stopping, now);
        // Whatever its grace period is: it may have asked for more.
        let until = Stopping::Until(seconds(400));
        let late = Duration::from_millis(112_900);
        assert_eq!(text(until, late), "web (12 s of 300 s)");
        let killed = Stopping::KilledAt(seconds(110));
        assert_eq!(text(killed, late), "web (killed 2 s ago)");
    }
}
