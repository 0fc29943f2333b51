//! From wanted to launched: the boot, the dependencies, the back-off's end.

use std::time::Duration;

use orlop_config::Condition;

use super::Supervisor;
use crate::unit::{Edge, Ending, Id, LAUNCH_BOUND, Life, Phase, Until, Why};
use crate::{Effect, RequestError, Time, cause};

/// `BootComplete` comes so long after `Boot` at the latest, whatever is still on its way.
const BOOT_BOUND: Duration = Duration::from_secs(90);

/// How far the boot is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Boot {
    /// Nothing may start.
    NotYet,
    /// So many services are neither running nor known to take longer.
    Settling { unsettled: usize, deadline: Time },
    /// `BootComplete` is out, or a shutdown came first.
    Over,
}

impl Boot {
    pub(super) fn started(self) -> bool {
        !matches!(self, Boot::NotYet)
    }

    pub(super) fn deadline(self) -> Option<Time> {
        match self {
            Boot::Settling { deadline, .. } => Some(deadline),
            Boot::NotYet | Boot::Over => None,
        }
    }
}

/// What a service's dependencies say.
enum Hold {
    /// Launch it.
    Met,
    /// Not yet.
    Wait { stalled: bool, cause: String },
    /// It cannot run until that changes.
    Fail(String),
}

impl Supervisor {
    pub(super) fn boot(&mut self) {
        if self.boot.started() || self.leaving.is_some() {
            return;
        }
        for id in self.units.ids() {
            let unit = &mut self.units[id];
            unit.settled = !unit.wanted;
        }
        self.boot = Boot::Settling {
            unsettled: self.units.iter().filter(|unit| !unit.settled).count(),
            deadline: self.now.saturating_add(BOOT_BOUND),
        };
        // The log's holder first: whatever the others say from the start is kept.
        let (late, others): (Vec<Id>, Vec<Id>) =
            self.units.ids().partition(|id| self.units[*id].late);
        for id in late.into_iter().chain(others) {
            if self.waits(id) {
                self.begin(id, cause::AT_BOOT);
            }
        }
    }

    /// Launches a wanted service without a life, or lets it wait, or fails it, as its dependencies
    /// say. Called again whenever one of them changes.
    pub(super) fn begin(&mut self, id: Id, cause: &str) {
        if !self.boot.started() {
            self.enter(id, Phase::Waiting { stalled: false }, cause::BEFORE_BOOT);
            return;
        }
        match self.hold(id) {
            Hold::Met => self.launch(id, cause),
            Hold::Wait { stalled, cause } => {
                self.enter(id, Phase::Waiting { stalled }, cause.as_str());
                if stalled {
                    self.answer_up(id, &Err(RequestError::Failed(cause)));
                }
            }
            Hold::Fail(cause) => self.fail(id, true, cause),
        }
    }

    fn hold(&self, id: Id) -> Hold {
        let mut hold = Hold::Met;
        for edge in &self.units[id].edges {
            hold = match (hold, self.look(edge)) {
                (_, Hold::Fail(cause)) => return Hold::Fail(cause),
                (hold, Hold::Met) => hold,
                (Hold::Wait { cause, stalled: a }, Hold::Wait { stalled: b, .. }) => Hold::Wait {
                    stalled: a || b,
                    cause,
                },
                (_, wait) => wait,
            };
        }
        hold
    }

    fn look(&self, edge: &Edge) -> Hold {
        let name = &edge.name;
        let Some(on) = edge.on else {
            return match edge.required {
                true => Hold::Fail(format!("requires \"{name}\", which does not exist")),
                false => Hold::Met,
            };
        };
        let dependency = &self.units[on];
        let met = match edge.condition {
            Condition::Started | Condition::Healthy => {
                dependency.phase == Phase::Up || dependency.completed
            }
            Condition::CompletedSuccessfully => dependency.completed,
        };
        let stalled = dependency.stalled();
        if met || (stalled && !edge.required) {
            return Hold::Met;
        }
        match dependency.phase {
            Phase::Failed { .. } | Phase::Stuck(_) => {
                Hold::Fail(format!("requires \"{name}\", which failed"))
            }
            Phase::Down | Phase::Ending(_) if !dependency.wanted => Hold::Wait {
                stalled,
                cause: format!("waiting for \"{name}\", which is stopped"),
            },
            _ => Hold::Wait {
                stalled,
                cause: cause::waiting(name, edge.condition),
            },
        }
    }

    fn launch(&mut self, id: Id, cause: &str) {
        self.lives += 1;
        let life = self.lives;
        let unit = &mut self.units[id];
        unit.status.life = life;
        unit.life = Some(Life::default());
        unit.held = true;
        unit.completed = false;
        let service = unit.name.clone();
        self.set_deadline(id, Some(self.now.saturating_add(LAUNCH_BOUND)));
        self.enter(id, Phase::Starting, cause);
        self.effects.push(Effect::Launch { service, life });
    }

    /// The back-off is over, or there was none after this end.
    pub(super) fn retry(&mut self, id: Id, end: Option<&str>) {
        let unit = &mut self.units[id];
        unit.in_row = unit.in_row.saturating_add(1);
        unit.status.restarts = unit.status.restarts.saturating_add(1);
        let restart = unit.status.restarts;
        let cause = match end {
            Some(end) => format!("{end}, restart {restart}"),
            None => format!("restart {restart}"),
        };
        self.begin(id, &cause);
    }

    pub(super) fn launch_overdue(&mut self, id: Id) {
        let ending = Ending {
            why: Why::LaunchTooLong,
            killed: false,
            overdue: false,
        };
        self.enter(id, Phase::Ending(ending), cause::LAUNCH_TOO_LONG);
        self.kill_cgroup(id, ending);
    }

    /// Failed for good, as far as the supervisor alone is concerned.
    pub(super) fn fail(&mut self, id: Id, by_dependency: bool, cause: String) {
        self.set_deadline(id, None);
        self.enter(id, Phase::Failed { by_dependency }, cause.as_str());
        self.answer_up(id, &Err(RequestError::Failed(cause)));
        self.release(id);
    }

    /// Answers those who wait for it to come up.
    pub(super) fn answer_up(&mut self, id: Id, result: &Result<(), RequestError>) {
        self.answer(id, Until::Up, result);
    }

    pub(super) fn answer(&mut self, id: Id, until: Until, result: &Result<(), RequestError>) {
        let effects = &mut self.effects;
        self.units[id].pending.retain(|pending| {
            let answered = pending.until == until;
            if answered {
                effects.push(Effect::Reply {
                    id: pending.id,
                    result: result.clone(),
                });
            }
            !answered
        });
    }

    /// Whether this service no longer holds up `BootComplete`: it runs, is done, has failed at least
    /// once, is not wanted, or waits for something of which that can be said.
    pub(super) fn note_settled(&mut self, id: Id) {
        let unit = &mut self.units[id];
        let settled = match unit.phase {
            Phase::Waiting { stalled } => stalled,
            Phase::Starting | Phase::Ending(_) => false,
            Phase::Up
            | Phase::BackingOff
            | Phase::Down
            | Phase::Failed { .. }
            | Phase::Stuck(_) => true,
        };
        if settled
            && !std::mem::replace(&mut unit.settled, true)
            && let Boot::Settling { unsettled, .. } = &mut self.boot
        {
            *unsettled = unsettled.saturating_sub(1);
        }
    }

    pub(super) fn boot_complete(&mut self) {
        let Boot::Settling {
            unsettled,
            deadline,
        } = self.boot
        else {
            return;
        };
        if self.leaving.is_some() {
            self.boot = Boot::Over;
        } else if unsettled == 0 || deadline <= self.now {
            self.boot = Boot::Over;
            self.effects.push(Effect::BootComplete);
        }
    }
}
