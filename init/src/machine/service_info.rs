//! A service as `io.orlop.services.List` and `orlop ps` show it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orlop_control::{Exit, HealthInfo, PastExit, Port, ServiceInfo, State, Verdict};
use orlop_supervisor::{ExitStatus, Health, ServiceState, ServiceStatus};

use crate::report::uptime_ms;
use crate::running::Unit;

/// A service that the supervisor knows.
pub(super) fn service_info(unit: &Unit, status: &ServiceStatus, now: Duration) -> ServiceInfo {
    let service = &unit.service;
    ServiceInfo {
        name: service.name.to_string(),
        image: service.image.to_string(),
        state: state(status.state),
        since_ms: whole_ms(now.saturating_sub(status.since)),
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
        health: status.health.as_ref().map(|health| HealthInfo {
            verdict: match health.health {
                Health::Starting => Verdict::Starting,
                Health::Healthy => Verdict::Healthy,
                Health::Unhealthy => Verdict::Unhealthy,
            },
            failing_streak: health.failing_streak,
            output: health.last_output.clone(),
        }),
        status_text: status.text.clone(),
        next_run_in_ms: status.next_run.map(in_ms),
        last_exits: status
            .last_exits
            .iter()
            .map(|exit| PastExit {
                ago_ms: whole_ms(now.saturating_sub(exit.at)),
                cause: exit.cause.clone(),
            })
            .collect(),
        oom_kills: status.oom_kills,
        replica_of: service
            .supervision
            .replica
            .as_ref()
            .map(|replica| replica.of.to_string()),
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// From now until so many seconds after 1970.
fn in_ms(at: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    whole_ms(Duration::from_secs(at).saturating_sub(now.unwrap_or_default()))
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
        health: None,
        status_text: None,
        next_run_in_ms: None,
        last_exits: Vec::new(),
        oom_kills: 0,
        replica_of: None,
    }
}

pub(super) fn state(state: ServiceState) -> State {
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
