//! From running to down: signals, grace period, kill, and what survives it.

use orlop_config::Signal;

use super::Supervisor;
use crate::unit::{Ending, Id, KILL_AGAIN, KILL_BOUND, Phase, Until, Why};
use crate::{Effect, RequestError, Time, cause};

impl Supervisor {
    /// Begins the end of a starting or running service.
    pub(super) fn stop(&mut self, id: Id, why: Why, cause: &str) {
        let unit = &self.units[id];
        let runs = unit.main_runs();
        let waits = unit.life.as_ref().is_some_and(|life| life.waits);
        let ending = Ending::new(why);
        self.set_deadline(id, Some(self.now.saturating_add(unit.plan.grace)));
        self.enter(id, Phase::Ending(ending), cause);
        if runs {
            self.send_stop(id);
        } else if waits {
            self.kill_cgroup(id, ending);
        }
    }

    /// SIGCONT follows the stop signal, so that a stopped process can act on it (edge case 43).
    pub(super) fn send_stop(&mut self, id: Id) {
        let unit = &self.units[id];
        for signal in [unit.plan.stop_signal, Signal::CONT] {
            self.effects.push(Effect::Signal {
                service: unit.name.clone(),
                signal,
            });
        }
    }

    pub(super) fn grace_over(&mut self, id: Id, ending: Ending) {
        let overdue = Ending {
            overdue: Some(self.now.saturating_sub(self.units[id].status.since)),
            ..ending
        };
        self.kill_cgroup(id, overdue);
    }

    /// Kills all that is left, and bounds the wait for it to be gone.
    pub(super) fn kill_cgroup(&mut self, id: Id, ending: Ending) {
        self.units[id].phase = Phase::Ending(Ending {
            killed: true,
            ..ending
        });
        self.push_kill(id);
        self.set_deadline(id, Some(self.now.saturating_add(KILL_BOUND)));
    }

    /// The kill did not help: nothing but the kernel can. It is not waited for, and nothing is
    /// started beside it.
    pub(super) fn stuck(&mut self, id: Id, ending: Ending) {
        let cause = self.stuck_cause(id);
        self.enter(id, Phase::Stuck(ending), cause.as_str());
        self.set_deadline(id, Some(self.now.saturating_add(KILL_AGAIN)));
        let failed = Err(RequestError::Failed(cause));
        self.answer(id, Until::Up, &failed);
        self.answer(id, Until::Down, &failed);
    }

    pub(super) fn stuck_cause(&self, id: Id) -> String {
        let unit = &self.units[id];
        let name = &unit.name;
        match unit.life.as_ref().is_some_and(|life| life.up.is_none()) {
            true => format!("the launch of \"{name}\" survives SIGKILL, waiting for its end"),
            false => {
                format!("a process of \"{name}\" survives SIGKILL, waiting for its cgroup to empty")
            }
        }
    }

    /// Kills again from time to time: a launch may have put its child into the cgroup after the
    /// kill.
    pub(super) fn still_stuck(&mut self, id: Id) {
        self.push_kill(id);
        self.set_deadline(id, Some(self.now.saturating_add(KILL_AGAIN)));
    }

    pub(super) fn push_kill(&mut self, id: Id) {
        self.effects.push(Effect::KillCgroup {
            service: self.units[id].name.clone(),
        });
    }

    /// Nothing runs, and nothing but its schedule is due.
    pub(super) fn down(&mut self, id: Id, cause: String) {
        self.set_deadline(id, None);
        self.units[id].needing = None;
        self.enter(id, Phase::Down, cause.as_str());
        self.answer(id, Until::Down, &Ok(()));
        // A start that waited for it to come up: it will not.
        self.answer_up(id, &Err(RequestError::Failed(cause)));
        self.release(id);
    }

    /// It ended so, and a restart is due then; at once when that time has passed.
    pub(super) fn back_off(&mut self, id: Id, due: Time, end: &str) {
        if due <= self.now {
            self.retry(id, Some(end));
            return;
        }
        let cause = cause::restarting(end, due.saturating_sub(self.now));
        self.set_deadline(id, Some(due));
        self.enter(id, Phase::BackingOff, cause.as_str());
        self.answer(id, Until::Up, &Err(RequestError::Failed(cause)));
    }

    /// Not wanted any more, whatever of it is under way; its schedule rests until a start.
    pub(super) fn end_wanted(&mut self, id: Id, cause: &str) {
        self.rest_schedule(id);
        let unit = &mut self.units[id];
        unit.wanted = false;
        cause.clone_into(&mut unit.stopped_by);
        unit.returns = None;
        if std::mem::take(&mut unit.completed) {
            // Whoever waits for its completion now waits for a stopped service.
            self.tell_dependents(id);
        }
        match self.units[id].phase {
            Phase::Starting | Phase::Readying | Phase::Up => self.stop(id, Why::Asked, cause),
            Phase::Ending(ending) => self.enter(id, Phase::Ending(asked(ending)), cause),
            Phase::Waiting { .. }
            | Phase::Remains
            | Phase::BackingOff
            | Phase::Down
            | Phase::Failed { .. } => self.down(id, cause.to_owned()),
            Phase::Stuck(ending) => {
                self.units[id].phase = Phase::Stuck(asked(ending));
                let failed = Err(RequestError::Failed(self.stuck_cause(id)));
                self.answer(id, Until::Down, &failed);
            }
        }
    }
}

/// The same end, as one that was asked for.
fn asked(ending: Ending) -> Ending {
    Ending {
        why: Why::Asked,
        ..ending
    }
}
