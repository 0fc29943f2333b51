//! What the end or the return of one service does to those that depend on it and run.

use orlop_config::Propagate;

use super::Supervisor;
use crate::unit::{Id, Phase, Return, Until, Why};

impl Supervisor {
    /// It is up again: who is tied to that by its edge, and runs since before, starts anew.
    pub(super) fn came_back(&mut self, id: Id) {
        let Some(returns) = self.units[id].returns.take() else {
            return;
        };
        let cause = match returns {
            Return::Requested => format!("restarted with \"{}\"", self.units[id].name),
            Return::Automatic => format!("restarted because \"{}\" was", self.units[id].name),
        };
        for dependent in self.units[id].dependents.clone() {
            let mut edges = self.units[dependent].edges.iter();
            let tied = edges.any(|edge| {
                edge.on == Some(id)
                    && match returns {
                        Return::Requested => edge.restart,
                        Return::Automatic => edge.propagate == Propagate::Restart,
                    }
            });
            if tied {
                self.restart_running(dependent, &cause, Some(returns));
            }
        }
    }

    /// Stops and starts what runs; what does not is left alone.
    pub(super) fn restart_running(&mut self, id: Id, cause: &str, returns: Option<Return>) {
        let unit = &mut self.units[id];
        let runs = unit.phase.runs() || unit.phase == Phase::Starting;
        if runs && self.leaving.is_none() {
            unit.returns = returns.or(unit.returns);
            self.stop(id, Why::Again, cause);
        }
    }

    /// It ended by itself and not with success: who is tied to it by `propagate = "stop"` ends too,
    /// and so on.
    pub(super) fn stop_tied(&mut self, id: Id) {
        for dependent in self.units[id].dependents.clone() {
            let mut edges = self.units[dependent].edges.iter();
            let tied = edges.any(|edge| edge.on == Some(id) && edge.propagate == Propagate::Stop);
            let active = match self.units[dependent].phase {
                Phase::Starting | Phase::Readying | Phase::Up => true,
                Phase::Remains | Phase::BackingOff => true,
                Phase::Ending(_) => self.units[dependent].wanted,
                Phase::Waiting { .. } | Phase::Down | Phase::Failed { .. } | Phase::Stuck(_) => {
                    false
                }
            };
            if tied && active {
                let cause = format!("stopped because \"{}\" ended", self.units[id].name);
                self.superseded(dependent, Until::Up, &cause);
                self.end_wanted(dependent, &cause);
                self.stop_tied(dependent);
            }
        }
    }
}
