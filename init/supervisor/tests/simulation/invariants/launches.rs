//! Nothing is launched too early, too often, twice, or against somebody's will.

use std::time::Duration;

use orlop_config::{Condition, Kind, RestartPolicy, StartLimit};
use orlop_supervisor::{Health, ServiceState, Supervisor, Time};

use super::{Invariants, Verdict, ensure};
use crate::world::World;

impl Invariants {
    pub(super) fn launch(
        &mut self,
        id: usize,
        life: u64,
        now: Time,
        world: &World,
        supervisor: &Supervisor,
    ) -> Verdict {
        let name = &self.services[id].name;
        let process = &world.processes[id];
        ensure(process.nothing_left(), || {
            format!("launch of {name} beside another life: {process:?}")
        })?;
        ensure(self.booted.is_some() && self.shutdown.is_none(), || {
            format!("launch of {name} before the boot or after the shutdown")
        })?;
        let seen = &self.seen[id];
        ensure(seen.wanted || self.pulled.contains(&id), || {
            format!("launch of {name}, which is not wanted")
        })?;
        ensure(life > seen.life, || {
            format!("launch of {name} with a number of before")
        })?;
        let lacks = self.services[id].supervision.needs.iter();
        let lack = lacks.clone().find(|need| !self.present.contains(need));
        ensure(lack.is_none(), || {
            format!("launch of {name} without {lack:?}")
        })?;
        self.dependencies_hold(id, supervisor)?;
        self.restarts_hold(id, now, supervisor)?;
        let seen = &mut self.seen[id];
        seen.life = life;
        seen.held = true;
        seen.completed = false;
        seen.said_ready = false;
        seen.passed = false;
        seen.own_watchdog = false;
        seen.up_since = None;
        Ok(())
    }

    fn dependencies_hold(&self, id: usize, supervisor: &Supervisor) -> Verdict {
        let service = &self.services[id];
        let name = &service.name;
        for (on_name, dependency) in &service.depends_on {
            let on = self.ids.get(on_name).map(|on| &self.seen[*on]);
            let holds = on.is_some_and(|on| {
                let up = on.state == ServiceState::Up || on.completed;
                match dependency.condition {
                    Condition::Started => up,
                    Condition::Healthy => up && (on.completed || is_healthy(supervisor, on_name)),
                    Condition::CompletedSuccessfully => on.completed,
                }
            });
            ensure(holds || !dependency.required, || {
                format!("launch of {name} before its requirement {on_name}")
            })?;
            // What is on its way is waited for, required or not.
            let starts = on.is_some_and(|on| on.state == ServiceState::Starting);
            ensure(!starts, || format!("launch of {name} during {on_name}'s"))?;
        }
        let before = self.services.iter().filter(|other| {
            let turned = other.supervision.before.contains(name);
            turned || service.supervision.after.contains(&other.name)
        });
        for other in before {
            let state = self.seen[self.ids[&other.name]].state;
            ensure(state != ServiceState::Starting, || {
                format!("launch of {name} before the end of {}'s", other.name)
            })?;
        }
        Ok(())
    }

    /// An automatic restart is one by which `restarts` has grown since the last launch.
    fn restarts_hold(&mut self, id: usize, now: Time, supervisor: &Supervisor) -> Verdict {
        let service = &self.services[id];
        let name = &service.name;
        let seen = &mut self.seen[id];
        let restarts = supervisor.status(name).map_or(0, |status| status.restarts);
        let grown = restarts.saturating_sub(seen.restarts);
        let automatic = restarts > seen.restarts;
        seen.restarts = restarts;
        ensure(grown <= 1, || format!("{grown} restarts of {name} in one"))?;
        if !automatic {
            seen.in_row = 0;
            return Ok(());
        }
        let s = &service.supervision;
        if let Some((ended, healthy)) = seen.ended {
            // Each time that its schedule comes begins a row.
            if healthy || s.schedule.is_some() {
                seen.in_row = 0;
            } else {
                let first = s.restart_delay;
                let nominal = first.saturating_mul(1 << seen.in_row.min(20));
                let least = nominal.min(s.restart_max_delay) * 9 / 10;
                ensure(now - ended >= least, || {
                    format!("launch of {name} after {:?} of {least:?}", now - ended)
                })?;
            }
        }
        seen.in_row += 1;
        // What else may start it cannot be told from a restart that had to wait.
        let retried = self.pulled.contains(&id)
            || s.schedule.is_some()
            || s.start_limit
                .is_some_and(|limit| limit.retry_after.is_some());
        if let Some(max) = service.max_attempts() {
            ensure(seen.in_row <= max || retried, || {
                format!("{name} restarted too often")
            })?;
        }
        let forced = !s.restart_force_exit_status.is_empty();
        let never = service.restart == RestartPolicy::No && !forced;
        ensure(!never || retried, || {
            format!("{name} restarted against its policy")
        })?;
        let once = s.kind != Kind::Service || s.schedule.is_some();
        ensure(!(once && seen.completed), || {
            format!("{name} restarted after its success")
        })?;
        if let Some(limit) = s.start_limit.filter(|_| !retried) {
            note(&mut seen.window, limit, now);
            ensure(seen.window.len() <= limit.burst as usize, || {
                format!("{name} restarted over its limit: {:?}", seen.window)
            })?;
        }
        Ok(())
    }
}

fn is_healthy(supervisor: &Supervisor, name: &orlop_config::ServiceName) -> bool {
    let status = supervisor.status(name).and_then(|s| s.health.as_ref());
    status.is_none_or(|status| status.health == Health::Healthy)
}

fn note(window: &mut Vec<Time>, limit: StartLimit, now: Time) {
    window.push(now);
    let from = now.saturating_sub(limit.interval);
    window.retain(|at| *at > from || (*at == now && limit.interval > Duration::ZERO));
}
