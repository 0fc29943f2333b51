//! The end of the machine: dependents before what they depend on, the log's holder last.

use super::Supervisor;
use crate::unit::{Id, Phase, Until, Why};
use crate::{Effect, RequestError, Shutdown, cause};

/// A shutdown under way.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    /// The first one asked for; later ones change nothing.
    kind: Shutdown,
    /// Services that are not gone.
    remaining: usize,
    /// Of these, the ones that do not wait for all others.
    early: usize,
    /// Services to look at: something that depends on them is gone.
    check: Vec<Id>,
    /// `ShutdownComplete` is out.
    complete: bool,
}

impl Supervisor {
    pub(super) fn shut_down(&mut self, kind: Shutdown) {
        if self.leaving.is_some() {
            return;
        }
        let ids: Vec<Id> = self.units.ids().collect();
        self.leaving = Some(Leaving {
            kind,
            remaining: ids.len(),
            early: self.units.iter().filter(|unit| !unit.late).count(),
            check: ids.clone(),
            complete: false,
        });
        for id in ids {
            self.units[id].wanted = false;
            self.rest_schedule(id);
            self.answer(id, Until::Up, &Err(RequestError::ShuttingDown));
            match self.units[id].phase {
                Phase::Waiting { .. } | Phase::Remains | Phase::BackingOff => {
                    self.down(id, cause::SHUTDOWN.to_owned());
                }
                Phase::Down | Phase::Failed { .. } | Phase::Stuck(_) => {
                    if !matches!(self.units[id].phase, Phase::Stuck(_)) {
                        // A limit's next try.
                        self.set_deadline(id, None);
                    }
                    self.note_gone(id);
                }
                Phase::Starting | Phase::Readying | Phase::Up | Phase::Ending(_) => {}
            }
        }
    }

    /// Whether a shutdown need not wait for this service any more: nothing of it is left, or nothing
    /// that could be ended.
    pub(super) fn note_gone(&mut self, id: Id) {
        let Some(leaving) = self.leaving.as_mut() else {
            return;
        };
        let unit = &mut self.units[id];
        let gone = matches!(
            unit.phase,
            Phase::Down | Phase::Failed { .. } | Phase::Stuck(_)
        );
        if !gone || std::mem::replace(&mut unit.gone, true) {
            return;
        }
        leaving.remaining = leaving.remaining.saturating_sub(1);
        leaving
            .check
            .extend(unit.edges.iter().filter_map(|edge| edge.on));
        if !unit.late {
            leaving.early = leaving.early.saturating_sub(1);
            if leaving.early == 0 {
                let units = &self.units;
                leaving
                    .check
                    .extend(units.ids().filter(|id| units[*id].late));
            }
        }
    }

    /// Stops what nobody needs any more; says so when all are gone.
    pub(super) fn shutdown_complete(&mut self) {
        while let Some(id) = self.leaving.as_mut().and_then(|l| l.check.pop()) {
            if self.may_leave(id) {
                self.stop(id, Why::Asked, cause::SHUTDOWN);
            }
        }
        // A grace period of zero is over at once.
        self.expire();
        if let Some(leaving) = self.leaving.as_mut()
            && leaving.remaining == 0
            && !std::mem::replace(&mut leaving.complete, true)
        {
            self.effects.push(Effect::ShutdownComplete(leaving.kind));
        }
    }

    fn may_leave(&self, id: Id) -> bool {
        let unit = &self.units[id];
        let all_others_gone = self.leaving.as_ref().is_none_or(|l| l.early == 0);
        (unit.phase == Phase::Starting || unit.phase.runs())
            && (!unit.late || all_others_gone)
            && unit.dependents.iter().all(|d| self.units[*d].gone)
    }
}
