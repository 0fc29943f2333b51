//! A service as `io.orlop.services.List` and `orlop ps` show it.

use std::time::Duration;

use orlop_control::{Exit, Port, ServiceInfo, State};
use orlop_supervisor::{ExitStatus, ServiceState, ServiceStatus};

use crate::report::uptime_ms;
use crate::running::Unit;

/// A service that the supervisor knows.
pub(super) fn service_info(unit: &Unit, status: &ServiceStatus, now: Duration) -> ServiceInfo {
    let service = &unit.service;
    ServiceInfo {
        name: service.name.to_string(),
        image: service.image.to_string(),
        state: state(status.state),
        since_ms: u64::try_from(now.saturating_sub(status.since).as_millis()).unwrap_or(u64::MAX),
        cause: status.cause.clone(),
        pid: status.pid,
        restarts: status.restarts,
        last_exit: status.last_exit.map(|exit| match exit {
            ExitStatus::Exited(code) => Exit::Code(code),
            ExitStatus::Signaled(signal) | ExitStatus::Dumped(signal) => Exit::Signal(signal),
        }),
        ports: service
            .ports
            .iter()
            .map(|port| Port {
                host_ip: port.host_ip,
                published: port.published,
                target: port.target,
                protocol: port.protocol.to_string(),
            })
            .collect(),
        address: unit.address(),
        isolation: service.isolation.to_string(),
    }
}

/// A service that its manifest keeps from running, as `orlop ps` shows it: failed, with the sentence.
pub(super) fn broken_info(name: &str, reason: &str) -> ServiceInfo {
    ServiceInfo {
        name: name.to_owned(),
        image: String::new(),
        state: State::Failed,
        since_ms: uptime_ms(),
        cause: reason.to_owned(),
        pid: None,
        restarts: 0,
        last_exit: None,
        ports: Vec::new(),
        address: None,
        isolation: String::new(),
    }
}

fn state(state: ServiceState) -> State {
    match state {
        ServiceState::Waiting => State::Waiting,
        ServiceState::Starting => State::Starting,
        ServiceState::Up => State::Up,
        ServiceState::Stopping => State::Stopping,
        ServiceState::BackingOff => State::BackingOff,
        ServiceState::Down => State::Down,
        ServiceState::Failed => State::Failed,
    }
}

/// The state's word in events, the log and `orlop ps`.
pub(super) fn state_word(of: ServiceState) -> &'static str {
    state(of).name()
}
