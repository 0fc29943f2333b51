//! When what of the boot began and ended, for `orlop boot`: PID 1 notes, the caller draws.

use orlop_config::{Condition, ServiceName};
use orlop_control::{BootSpan, BootTimes, SpanKind};
use orlop_supervisor::{Event, ProbeResult, ServiceState};

use super::Machine;
use super::service_info::state;
use crate::boot::kernel_release;
use crate::clock::{boottime, micros};

impl Machine {
    /// Before the supervisor hears of an event.
    pub(super) fn time_event(&mut self, event: &Event) {
        let (service, moment): (_, fn(&mut BootSpan) -> &mut Option<u64>) = match event {
            Event::LaunchWaits { service, bound, .. } if bound.is_zero() => {
                (service, |span| &mut span.held_us)
            }
            Event::Launched { service, .. } => (service, |span| &mut span.launched_us),
            Event::ProbeDone {
                service,
                result: ProbeResult::Passed(_),
                ..
            } => (service, |span| &mut span.healthy_us),
            Event::Resource {
                need,
                present: true,
            } if self.booted_at.is_zero() => {
                let need = need.to_string();
                return self.shared.report.span(SpanKind::Need, &need, boottime());
            }
            _ => return,
        };
        if let Some(span) = self.boot_times.get_mut(service) {
            moment(span).get_or_insert_with(|| micros(boottime()));
        }
    }

    /// A service's state changed: its first start and that start's end count.
    pub(super) fn time_state(&mut self, service: &ServiceName, to: ServiceState) {
        let now = micros(boottime());
        let span = self.boot_times.entry(service.clone()).or_default();
        match to {
            _ if span.end_us.is_some() => {}
            ServiceState::Waiting | ServiceState::Stopping => {}
            ServiceState::Starting => {
                span.begin_us.get_or_insert(now);
            }
            ServiceState::Up
            | ServiceState::BackingOff
            | ServiceState::Down
            | ServiceState::Failed => {
                span.end_us = Some(now);
                span.state = Some(state(to));
            }
        }
    }

    /// The reply of `io.orlop.services.Boot`.
    pub(super) fn boot_times(&self) -> BootTimes {
        let mut spans = self.shared.report.spans();
        spans.extend(self.units.keys().map(|name| self.service_span(name)));
        BootTimes {
            hostname: self.shared.machine.hostname.clone(),
            kernel: kernel_release(),
            handed_over_us: micros(self.shared.handed_over),
            complete_us: Some(self.booted_at).filter(|at| !at.is_zero()).map(micros),
            now_us: micros(boottime()),
            spans,
        }
    }

    fn service_span(&self, name: &ServiceName) -> BootSpan {
        let mut span = self.boot_times.get(name).cloned().unwrap_or_default();
        span.kind = SpanKind::Service;
        span.name = name.to_string();
        let Some(unit) = self.units.get(name) else {
            return span;
        };
        for (on, dependency) in &unit.service.depends_on {
            match dependency.condition {
                Condition::Healthy => span.after_healthy.push(on.to_string()),
                _ => span.after.push(on.to_string()),
            }
        }
        let supervision = &unit.service.supervision;
        span.after
            .extend(supervision.after.iter().map(ToString::to_string));
        let earlier = self.units.values().filter(|other| {
            let before = &other.service.supervision.before;
            before.contains(name)
        });
        span.after
            .extend(earlier.map(|other| other.service.name.to_string()));
        span.needs
            .extend(supervision.needs.iter().map(ToString::to_string));
        span
    }
}
