//! A change of state is one, has a cause, and comes in its turn.

use orlop_config::{EndStatus, Readiness, Service};
use orlop_supervisor::{ExitStatus, ServiceState, Time};

use super::{Invariants, Verdict, ensure};

/// Whether that end is a success that completes the service.
pub(super) fn completes(service: &Service, exit: Option<ExitStatus>) -> bool {
    let listed = &service.supervision.success_exit_status;
    match exit {
        Some(ExitStatus::Exited(0)) => true,
        Some(ExitStatus::Exited(code)) => listed
            .iter()
            .any(|status| matches!(status, EndStatus::Code(c) if i32::from(*c) == code)),
        _ => false,
    }
}

impl Invariants {
    pub(super) fn changed(
        &mut self,
        id: usize,
        state: ServiceState,
        cause: &str,
        now: Time,
    ) -> Verdict {
        let service = &self.services[id];
        let name = &service.name;
        let seen = &mut self.seen[id];
        ensure(seen.state != state || seen.stuck, || {
            format!("{name} changed to {state:?} from itself")
        })?;
        ensure(!cause.is_empty(), || {
            format!("{name} {state:?} without a cause")
        })?;
        if cause.starts_with("stopped because") {
            seen.wanted = false;
        }
        let before = std::mem::replace(&mut seen.state, state);
        seen.completed = false;
        seen.stuck = cause.contains("survives SIGKILL");
        cause.clone_into(&mut seen.cause);
        let completes = completes(service, seen.last_exit);
        match state {
            ServiceState::Up if before == ServiceState::Starting => {
                seen.up_since = Some(now);
                seen.fed = now;
                let ready = match service.supervision.readiness {
                    Readiness::Started => true,
                    Readiness::Notify | Readiness::Fd(_) => seen.said_ready,
                    Readiness::Healthy => seen.passed,
                };
                let oneshot = service.supervision.kind != orlop_config::Kind::Service;
                let done = seen.last_exit.is_some() && completes;
                seen.completed = oneshot;
                ensure(if oneshot { done } else { ready }, || {
                    format!("{name} is up without being ready")
                })
            }
            ServiceState::Up => {
                // The end of a oneshot that remains.
                seen.completed = true;
                ensure(completes, || format!("{name} is up from {before:?}"))
            }
            ServiceState::Down => {
                seen.completed =
                    completes && !cause.starts_with("stopped") && self.shutdown.is_none();
                let clean = completes || seen.last_exit == Some(ExitStatus::Signaled(15));
                let asked = !seen.wanted || self.shutdown.is_some();
                ensure(clean || asked || self.pulled.contains(&id), || {
                    format!("{name} is down, but wanted")
                })
            }
            ServiceState::Stopping if cause == "stopped for the shutdown" => {
                let name = name.clone();
                let needed = self.services.iter().find(|other| {
                    let state = self.seen[self.ids[&other.name]].state;
                    let after = other.depends_on.contains_key(&name)
                        || other.supervision.after.contains(&name)
                        || self.services[id].supervision.before.contains(&other.name);
                    after && !matches!(state, ServiceState::Down | ServiceState::Failed)
                });
                ensure(needed.is_none(), || {
                    format!("{name} stopped before {:?}", needed.map(|s| &s.name))
                })
            }
            _ => Ok(()),
        }
    }
}
