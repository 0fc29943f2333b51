//! What keeps a wanted service from being launched: what it depends on, and what the machine lacks.

use orlop_config::Condition;

use super::Supervisor;
use crate::unit::{Edge, Id, NEED_PATIENCE, Phase};
use crate::{Health, Time, cause};

/// What a service's dependencies and needs say.
pub(super) enum Hold {
    /// Launch it.
    Met,
    /// Not yet.
    Wait {
        /// It may be long.
        stalled: bool,
        /// For people.
        cause: String,
        /// Only the machine lacks something: when that counts as waiting in vain.
        patience: Option<Time>,
    },
    /// It cannot run until that changes.
    Fail(String),
}

/// What one edge says.
enum Look {
    Met,
    Wait { stalled: bool },
    Fail,
}

impl Supervisor {
    pub(super) fn hold(&self, id: Id) -> Hold {
        let unit = &self.units[id];
        let mut first = None;
        let mut any_stalled = false;
        for edge in &unit.edges {
            match self.look(edge) {
                Look::Met => {}
                Look::Wait { stalled } => {
                    first = first.or(Some(edge));
                    any_stalled |= stalled;
                }
                Look::Fail => return Hold::Fail(self.failure(edge)),
            }
        }
        if let Some(edge) = first {
            return Hold::Wait {
                stalled: any_stalled,
                cause: self.waiting_for(edge),
                patience: None,
            };
        }
        let mut needs = unit.plan.needs.iter();
        match needs.find(|need| !self.present.contains(need)) {
            None => Hold::Met,
            Some(need) => {
                let since = unit.needing.unwrap_or(self.now);
                let until = since.saturating_add(NEED_PATIENCE);
                Hold::Wait {
                    stalled: until <= self.now || self.missing.contains(need),
                    cause: cause::needs(need),
                    patience: Some(until),
                }
            }
        }
    }

    fn look(&self, edge: &Edge) -> Look {
        let Some(on) = edge.on else {
            return match edge.required {
                true => Look::Fail,
                false => Look::Met,
            };
        };
        let dependency = &self.units[on];
        let is_up = dependency.phase == Phase::Up || dependency.completed;
        let met = match edge.condition {
            Condition::Started => is_up,
            Condition::Healthy => {
                dependency.completed
                    || is_up && dependency.health().is_none_or(|h| h == Health::Healthy)
            }
            Condition::CompletedSuccessfully => dependency.completed,
        };
        let stalled = dependency.stalled();
        if met || (stalled && !edge.required) {
            return Look::Met;
        }
        match dependency.phase {
            Phase::Failed { .. } | Phase::Stuck(_) => Look::Fail,
            _ => Look::Wait { stalled },
        }
    }

    fn failure(&self, edge: &Edge) -> String {
        let name = &edge.name;
        match edge.on {
            None => format!("requires \"{name}\", which does not exist"),
            Some(_) => format!("requires \"{name}\", which failed"),
        }
    }

    fn waiting_for(&self, edge: &Edge) -> String {
        let stopped = edge.on.is_some_and(|on| {
            let dependency = &self.units[on];
            let ends = matches!(dependency.phase, Phase::Down | Phase::Ending(_));
            ends && !dependency.wanted
        });
        match stopped {
            true => format!("waiting for \"{}\", which is stopped", edge.name),
            false => cause::waiting(&edge.name, edge.condition),
        }
    }
}
