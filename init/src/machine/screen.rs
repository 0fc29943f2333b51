//! What a person sees on the console after the stages: which service came up when, what is ready,
//! how to leave.

use orlop_config::{Protocol, ServiceName};
use orlop_control::server::Reply;
use orlop_supervisor::ServiceState;
use serde_json::json;

use super::Machine;
use crate::boot::since;
use crate::report::uptime_ms;

impl Machine {
    /// One line for each service that comes up during the boot or fails at any time; a restart
    /// while the machine runs is in the log and in `orlop ps`, not on the console.
    pub(crate) fn show_state(&self, service: &ServiceName, state: ServiceState, cause: &str) {
        let booting = self.booted_at.is_zero();
        let after = since(self.shared.handed_over).as_secs_f64() * 1000.0;
        match state {
            ServiceState::Up if booting => self.shared.report.line(&format!(
                "  \x1b[32m✓\x1b[0m {:14} {after:7.1} ms  up",
                service.as_str()
            )),
            ServiceState::Down if booting => self.shared.report.line(&format!(
                "  \x1b[32m✓\x1b[0m {:14} {after:7.1} ms  {cause}",
                service.as_str()
            )),
            ServiceState::Failed => self.shared.report.warn(&format!("  ! {service}: {cause}")),
            ServiceState::BackingOff if booting => {
                self.shared.report.warn(&format!("  ! {service}: {cause}"));
            }
            _ => {}
        }
    }

    /// The last lines of the boot.
    pub(crate) fn boot_complete(&mut self) {
        let took = since(self.shared.handed_over);
        self.booted_at = crate::clock::boottime();
        let up = self.count(ServiceState::Up);
        let all = self.units.len() + self.shared.broken.len();
        let report = &self.shared.report;
        report.line(&format!(
            "\x1b[1mReady\x1b[0m in {:.2} s: {up} of {all} services up",
            took.as_secs_f64()
        ));
        for unit in self.units.values() {
            if let Some(ports) = ports_text(unit) {
                report.line(&format!("    {:14} {ports}", unit.service.name.as_str()));
            }
        }
        report.line("Look around: orlop ps, orlop logs NAME. Leave: orlop poweroff (in QEMU also Ctrl-A X).");
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

fn ports_text(unit: &crate::running::Unit) -> Option<String> {
    let texts: Vec<String> = unit
        .service
        .ports
        .iter()
        .map(|port| {
            let protocol = match port.protocol {
                Protocol::Tcp => "",
                Protocol::Udp => "/udp",
            };
            format!("port {}{protocol}", port.published)
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}
