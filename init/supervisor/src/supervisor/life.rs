//! One life of a service, from the answer to `Launch` to the empty cgroup.

use super::Supervisor;
use crate::restart::{End, HEALTHY, Verdict, verdict};
use crate::unit::{Ending, Id, Life, Phase, Why};
use crate::{ExitStatus, cause};

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
            Phase::Starting => {
                self.set_deadline(id, None);
                self.enter(id, Phase::Up, "started");
                self.answer_up(id, &Ok(()));
                // Its dependents see it up even when its end was reported first.
                self.propagate();
            }
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

    pub(super) fn launch_failed(&mut self, id: Id, reason: String) {
        let unit = &self.units[id];
        if unit.life.is_some_and(|life| life.up.is_none()) {
            self.over(id, reason, None);
        }
    }

    pub(super) fn main_exited(&mut self, id: Id, status: ExitStatus) {
        let now = self.now;
        let unit = &mut self.units[id];
        let Some(life) = unit.life.as_mut().filter(|life| life.exit.is_none()) else {
            return;
        };
        life.exit = Some((status, now));
        if life.up.is_some() {
            self.exited(id);
        }
    }

    /// Said of the cgroup of a life that has not ended yet, it is kept: nothing can enter a cgroup
    /// whose last process is gone.
    pub(super) fn cgroup_empty(&mut self, id: Id) {
        let Some(life) = self.units[id].life.as_mut() else {
            return;
        };
        if life.up.is_none() && life.exit.is_none() {
            // From before the child was in it.
            return;
        }
        life.empty = true;
        self.end_if_over(id);
    }

    /// The main process is known to have run and to have ended.
    fn exited(&mut self, id: Id) {
        let unit = &mut self.units[id];
        unit.status.pid = None;
        let Some((status, _)) = unit.life.and_then(|life| life.exit) else {
            return;
        };
        unit.status.last_exit = Some(status);
        if self.end_if_over(id) {
            return;
        }
        match self.units[id].phase {
            Phase::Ending(ending) if !ending.killed => self.kill_cgroup(id, ending),
            Phase::Up => {
                let ending = Ending {
                    why: Why::Itself,
                    killed: false,
                    overdue: false,
                };
                self.enter(id, Phase::Ending(ending), cause::exit(status));
                self.kill_cgroup(id, ending);
            }
            _ => {}
        }
    }

    fn end_if_over(&mut self, id: Id) -> bool {
        let Some(Life {
            up: Some(_),
            exit: Some((status, _)),
            empty: true,
        }) = self.units[id].life
        else {
            return false;
        };
        self.over(id, cause::exit(status), Some(status));
        true
    }

    /// Nothing of this life is left: decides what comes next.
    fn over(&mut self, id: Id, reason: String, status: Option<ExitStatus>) {
        self.set_deadline(id, None);
        let stop_cause = self.stop_cause();
        let unit = &mut self.units[id];
        let life = unit.life.take().unwrap_or_default();
        unit.status.pid = None;
        let (why, overdue) = match unit.phase {
            Phase::Ending(ending) | Phase::Stuck(ending) => (ending.why, ending.overdue),
            _ => (Why::Itself, false),
        };
        if !unit.wanted {
            let cause = match (why, overdue) {
                (Why::Itself, _) => reason,
                (_, true) => {
                    let grace = cause::duration(unit.grace);
                    format!("{stop_cause}, killed after {grace}")
                }
                (_, false) => stop_cause.to_owned(),
            };
            self.down(id, cause);
            return;
        }
        let reason = match why {
            Why::Asked | Why::Again => {
                self.begin(id, cause::BY_REQUEST);
                return;
            }
            Why::Itself => reason,
            Why::LaunchTooLong => cause::LAUNCH_TOO_LONG.to_owned(),
        };
        self.judge(id, life, reason, status.filter(|_| why == Why::Itself));
    }

    /// It ended by itself: asks the policy.
    fn judge(&mut self, id: Id, life: Life, reason: String, status: Option<ExitStatus>) {
        let ended = life.exit.map_or(self.now, |(_, at)| at);
        let unit = &mut self.units[id];
        let end = End {
            success: status == Some(ExitStatus::Exited(0)),
            healthy: status.is_some()
                && life
                    .up
                    .is_some_and(|up| ended.saturating_sub(up) >= HEALTHY),
            in_row: unit.in_row,
        };
        if end.healthy {
            unit.in_row = 0;
        }
        match verdict(unit.policy, end) {
            Verdict::Complete => {
                unit.completed = true;
                self.down(id, reason);
            }
            Verdict::Fail => self.fail(id, false, reason),
            Verdict::GiveUp(restarts) => {
                let plural = if restarts == 1 { "" } else { "s" };
                let cause = format!("{reason}, gave up after {restarts} restart{plural}");
                self.fail(id, false, cause);
            }
            Verdict::Retry(delay) => {
                // Counted from the end of the main process, not of its leftovers.
                let due = ended.saturating_add(self.jitter.apply(delay));
                self.back_off(id, due, &reason);
            }
        }
    }
}
