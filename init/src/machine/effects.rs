//! What the supervisor decided, done.

use std::time::Duration;

use orlop_config::{Isolation, ServiceName};
use orlop_supervisor::{Effect, Event, Request, ServiceState};
use serde_json::json;

use super::service_info::state_word;
use super::{LoopEvent, Machine};
use crate::logs::LogMessage;
use crate::report::uptime_ms;
use crate::running;
use crate::shutdown;

/// How soon a cgroup is read again that could not be read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Machine {
    pub(crate) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Launch { service, life } => self.launch(&service, life),
            Effect::Signal { service, signal } => {
                let status = self.supervisor.status(&service);
                let stopping = status.is_some_and(|status| status.state == ServiceState::Stopping);
                if let Some(unit) = self.units.get(&service) {
                    if stopping && signal == unit.service.stop_signal {
                        unit.stop(signal);
                    } else {
                        unit.signal(signal);
                    }
                }
            }
            Effect::KillCgroup { service } => {
                if let Some(unit) = self.units.get(&service)
                    && let Err(error) = self.shared.reserve.with(|| unit.kill_cgroup())
                {
                    self.shared.report.warn(&format!("{service}: {error}"));
                }
                // A cgroup that is empty already changes nothing, and so tells nothing.
                self.look_later(service);
            }
            Effect::Release { service } => {
                if let Some(unit) = self.units.get_mut(&service) {
                    unit.release(&self.shared);
                }
            }
            Effect::StateChanged {
                service,
                state,
                cause,
            } => self.state_changed(&service, state, &cause),
            Effect::Reply { id, result } => {
                for (service, id) in self.requests.answer(id, result) {
                    // Behind the other effects of this step, which are still to be done.
                    let request = Request::Stop(service);
                    let event = LoopEvent::Supervisor(Event::Request { request, id });
                    let _loop_never_ends = self.shared.events.send(event);
                }
            }
            Effect::Probe {
                service,
                life,
                serial,
                timeout,
            } => {
                if let Some(unit) = self.units.get(&service) {
                    let (shared, unit) = (self.shared.clone(), unit.clone());
                    let probe = running::probe(shared, unit, life, serial, timeout);
                    crate::task::spawn(probe);
                }
            }
            Effect::ReadOut { service, life } => {
                if let Some(unit) = self.units.get(&service) {
                    let (shared, unit) = (self.shared.clone(), unit.clone());
                    crate::task::spawn(running::read_out(shared, unit, life));
                }
            }
            Effect::StopProbe { service, serial } => {
                if let Some(unit) = self.units.get(&service) {
                    unit.stop_probe(serial);
                }
            }
            Effect::EndMachine { service, kind } => {
                let word = shutdown::name(kind);
                let report = &self.shared.report;
                report.warn(&format!("  ! {service} failed: {word}"));
                // Behind the other effects of this step, which are still to be done.
                let _loop_never_ends = self.shared.events.send(LoopEvent::Shutdown(kind));
            }
            Effect::BootComplete => self.boot_complete(),
            Effect::ShutdownComplete(kind) => self.end(kind),
        }
    }

    fn launch(&mut self, service: &ServiceName, life: u64) {
        let Some(unit) = self.units.get(service) else {
            return;
        };
        crate::task::spawn(running::launch(self.shared.clone(), unit.clone(), life));
    }

    /// Looks at the cgroup after the effects at hand are done.
    fn look_later(&self, service: ServiceName) {
        let _loop_never_ends = self.shared.events.send(LoopEvent::CgroupChanged(service));
    }

    /// Reads whether the cgroup is populated and whether the main process was reaped.
    pub(crate) fn cgroup_changed(&mut self, service: &ServiceName) {
        self.memory_changed(service);
        let Some(unit) = self.units.get(service) else {
            return;
        };
        let service = service.clone();
        match unit.is_gone() {
            Ok(true) => self.step(Event::CgroupEmpty { service }),
            Ok(false) => {}
            // Nothing tells again: it is asked until there is an answer.
            Err(_) => {
                let events = self.shared.events.clone();
                crate::task::spawn(async move {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    let _loop_never_ends = events.send(LoopEvent::CgroupChanged(service));
                });
            }
        }
    }

    /// Reads how often the kernel killed in the cgroup for want of memory.
    pub(crate) fn memory_changed(&mut self, service: &ServiceName) {
        if let Some(event) = self.units.get(service).and_then(running::Unit::oom_event) {
            self.step(event);
        }
    }

    fn state_changed(&mut self, service: &ServiceName, state: ServiceState, cause: &str) {
        self.time_state(service, state);
        let left = match state {
            ServiceState::Failed => self.units.get(service).map(running::Unit::left_over),
            _ => None,
        };
        let cause = &format!("{cause}{}", left.unwrap_or_default());
        let status = self.supervisor.status(service);
        let pid = status.and_then(|status| status.pid);
        let restarts = status.map_or(0, |status| status.restarts);
        let privileged = self
            .units
            .get(service)
            .is_some_and(|unit| unit.service.isolation == Isolation::Privileged);
        self.shared.report.event(&json!({
            "event": "service",
            "service": service.as_str(),
            "state": state_word(state),
            "cause": cause,
            "pid": pid,
            "restarts": restarts,
            "uptime_ms": uptime_ms(),
            "privileged": privileged,
        }));
        self.shared
            .report
            .record(&format!("{service}: {}: {cause}", state_word(state)));
        self.shared.logs.tell(LogMessage::Note {
            service: service.clone(),
            text: format!("{}: {cause}", state_word(state)),
        });
        if let Some(unit) = self.units.get_mut(service) {
            unit.state_changed(state, &self.shared);
        }
        self.needs.state_changed(service, state);
        self.show_state(service, state, cause);
        if matches!(
            state,
            ServiceState::Up | ServiceState::Down | ServiceState::BackingOff
        ) {
            // A process that left before the loop heard of its cgroup.
            self.look_later(service.clone());
        }
    }
}
