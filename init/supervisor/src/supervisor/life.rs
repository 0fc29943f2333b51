//! One life of a service: what is reported of it, in whatever order, until nothing of it is left.

use std::time::Duration;

use super::Supervisor;
use crate::unit::{Ending, Id, LAUNCH_BOUND, Life, Phase, Why};
use crate::{ExitStatus, cause};

impl Supervisor {
    pub(super) fn launch_failed(&mut self, id: Id, reason: String) {
        let life = self.units[id].life.as_ref();
        if life.is_some_and(|life| life.up.is_none()) {
            self.over(id, Err(reason));
        }
    }

    /// A launch that waits for the machine is not late; and when it shall end, only a kill reaches it:
    /// there is no process yet that a signal could go to, or that an earlier kill has met.
    pub(super) fn launch_waits(&mut self, id: Id, life: u64, bound: Duration) {
        let unit = &mut self.units[id];
        let phase = unit.phase;
        let Some(life) = unit.life_of(life).filter(|life| life.up.is_none()) else {
            return;
        };
        life.waits = bound > Duration::ZERO;
        let waits = life.waits;
        match phase {
            Phase::Starting => {
                let until = self.now.saturating_add(bound);
                self.set_deadline(id, Some(until.saturating_add(LAUNCH_BOUND)));
            }
            Phase::Ending(ending) if waits => self.kill_cgroup(id, ending),
            Phase::Stuck(_) if waits => self.push_kill(id),
            _ => {}
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
    pub(super) fn exited(&mut self, id: Id) {
        let unit = &mut self.units[id];
        unit.status.pid = None;
        let Some((status, _)) = unit.life.as_ref().and_then(|life| life.exit) else {
            return;
        };
        unit.status.last_exit = Some(status);
        if self.end_if_over(id) {
            return;
        }
        match self.units[id].phase {
            Phase::Ending(ending) if !ending.killed => self.kill_cgroup(id, ending),
            Phase::Up | Phase::Readying => {
                let ending = Ending::new(Why::Itself);
                self.enter(id, Phase::Ending(ending), cause::exit(status));
                self.kill_cgroup(id, ending);
            }
            _ => {}
        }
    }

    fn end_if_over(&mut self, id: Id) -> bool {
        let over = self.units[id].life.as_ref().and_then(Life::over);
        if let Some(status) = over {
            self.over(id, Ok(status));
        }
        over.is_some()
    }
}
