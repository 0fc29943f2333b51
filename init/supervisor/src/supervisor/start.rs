//! From wanted to launched: the boot, the dependencies, the back-off's end.

use std::time::Duration;

use super::Supervisor;
use super::hold::Hold;
use crate::unit::{Id, LAUNCH_BOUND, Life, Phase, Until};
use crate::{Effect, HealthStatus, RequestError, Time, cause};

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
        self.begin_schedules();
    }

    /// Launches a wanted service without a life, or lets it wait, or fails it, as its dependencies
    /// and needs say. Called again whenever one of them changes.
    pub(super) fn begin(&mut self, id: Id, cause: &str) {
        if !self.boot.started() {
            self.enter(id, Phase::Waiting { stalled: false }, cause::BEFORE_BOOT);
            return;
        }
        match self.hold(id) {
            Hold::Met => self.launch(id, cause),
            Hold::Wait {
                stalled,
                cause,
                patience,
            } => {
                let now = self.now;
                let needing = &mut self.units[id].needing;
                *needing = patience.map(|_| needing.unwrap_or(now));
                self.set_deadline(id, patience.filter(|_| !stalled));
                self.enter(id, Phase::Waiting { stalled }, cause.as_str());
                if stalled {
                    self.answer_up(id, &Err(RequestError::Failed(cause)));
                }
            }
            Hold::Fail(cause) => self.fail(id, true, cause),
        }
    }

    fn launch(&mut self, id: Id, cause: &str) {
        self.lives += 1;
        let serial = self.lives;
        let unit = &mut self.units[id];
        unit.life = Some(Life {
            serial,
            ..Life::default()
        });
        unit.status.life = serial;
        unit.status.text = None;
        if let Some(health) = unit.status.health.as_mut() {
            *health = HealthStatus::new();
        }
        if std::mem::take(&mut unit.retrying)
            && let Some(limit) = unit.plan.restart.limit
        {
            unit.window.note(limit, self.now);
        }
        unit.needing = None;
        unit.held = true;
        unit.completed = false;
        let service = unit.name.clone();
        self.set_deadline(id, Some(self.now.saturating_add(LAUNCH_BOUND)));
        self.enter(id, Phase::Starting, cause);
        self.effects.push(Effect::Launch {
            service,
            life: serial,
        });
    }

    /// The back-off is over, or there was none after this end, or a limit's `retry_after` is over.
    pub(super) fn retry(&mut self, id: Id, end: Option<&str>) {
        let unit = &mut self.units[id];
        unit.in_row = unit.in_row.saturating_add(1);
        unit.retrying = true;
        unit.status.restarts = unit.status.restarts.saturating_add(1);
        let restart = unit.status.restarts;
        let cause = match end {
            Some(end) => format!("{end}, restart {restart}"),
            None => format!("restart {restart}"),
        };
        self.begin(id, &cause);
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
            Phase::Starting | Phase::Readying | Phase::Ending(_) => false,
            Phase::Up
            | Phase::Remains
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
