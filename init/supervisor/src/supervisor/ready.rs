//! From launched to up: when those who wait for a service may go on.

use orlop_config::{Kind, Readiness};

use super::Supervisor;
use crate::restart::Kind as End;
use crate::unit::{Ending, Id, Phase, Why};
use crate::{Health, cause};

impl Supervisor {
    pub(super) fn launched(&mut self, id: Id, pid: u32) {
        let now = self.now;
        let unit = &mut self.units[id];
        let Some(life) = unit.life.as_mut().filter(|life| life.up.is_none()) else {
            return;
        };
        life.up = Some(now);
        let exited = life.exit.is_some();
        if !exited {
            unit.status.pid = Some(pid);
        }
        match unit.phase {
            Phase::Starting => self.arrived(id),
            // Stopped meanwhile: the signals had nobody to go to.
            Phase::Ending(ending) if !ending.killed && !exited => self.send_stop(id),
            // The kill may have come before the child was in the cgroup.
            Phase::Ending(ending) if !exited => self.kill_cgroup(id, ending),
            Phase::Stuck(_) => self.push_kill(id),
            _ => {}
        }
        if exited {
            self.exited(id);
        }
    }

    /// It runs: ready at once, or to be waited for.
    fn arrived(&mut self, id: Id) {
        let unit = &self.units[id];
        let said_ready = unit.life.as_ref().is_some_and(|life| life.said_ready);
        let ready = match (unit.plan.kind, unit.plan.readiness) {
            (Kind::Oneshot { .. }, _) => false,
            (Kind::Service, Readiness::Started) => true,
            (Kind::Service, Readiness::Notify | Readiness::Fd(_)) => said_ready,
            (Kind::Service, Readiness::Healthy) => unit.plan.health.is_none(),
        };
        if ready {
            self.become_up(id, "started");
        } else {
            let cause = match unit.plan.kind {
                Kind::Oneshot { .. } => "runs",
                Kind::Service => "runs, not ready yet",
            };
            let timeout = unit.plan.start_timeout;
            let at = timeout.map(|timeout| self.now.saturating_add(timeout));
            self.set_deadline(id, at);
            self.enter(id, Phase::Readying, cause);
        }
        self.begin_checkup(id);
    }

    /// Those who wait for it may go on.
    pub(super) fn become_up(&mut self, id: Id, cause: &str) {
        let now = self.now;
        let unit = &mut self.units[id];
        let well = unit.plan.health.is_none() || unit.health() == Some(Health::Healthy);
        if let Some(life) = unit.life.as_mut() {
            life.was_ready = true;
            life.well_since = well.then_some(now);
        }
        self.set_deadline(id, None);
        self.enter(id, Phase::Up, cause);
        self.answer_up(id, &Ok(()));
        self.arm_watchdog(id);
        self.came_back(id);
        // Its dependents see it up even when its end was reported first.
        self.propagate();
    }

    pub(super) fn launch_overdue(&mut self, id: Id) {
        let text = cause::LAUNCH_TOO_LONG.to_owned();
        if let Some(life) = self.units[id].life.as_mut() {
            life.trouble = Some((End::Timeout, text));
        }
        let ending = Ending::new(Why::Itself);
        self.enter(id, Phase::Ending(ending), cause::LAUNCH_TOO_LONG);
        self.kill_cgroup(id, ending);
    }

    /// `start_timeout` is over.
    pub(super) fn start_overdue(&mut self, id: Id) {
        let plan = &self.units[id].plan;
        let word = match plan.kind {
            Kind::Oneshot { .. } => "done",
            Kind::Service => "ready",
        };
        let text = match plan.start_timeout {
            Some(timeout) => format!("not {word} after {}", cause::duration(timeout)),
            None => format!("not {word} in time"),
        };
        self.trouble(id, End::Timeout, text);
        self.send_stop(id);
    }

    /// Something is wrong with a running life: it shall end within the grace period, and then the
    /// policy decides. What makes it end is the caller's to send.
    pub(super) fn trouble(&mut self, id: Id, kind: End, text: String) {
        let now = self.now;
        let unit = &mut self.units[id];
        let grace = unit.plan.grace;
        if let Some(life) = unit.life.as_mut() {
            life.begin_end(now, unit.plan.restart.reset_after);
            life.trouble = Some((kind, text.clone()));
        }
        self.set_deadline(id, Some(now.saturating_add(grace)));
        self.enter(id, Phase::Ending(Ending::new(Why::Itself)), text);
    }
}
