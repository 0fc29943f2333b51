//! `on_failure`: what happens once a service has failed for good.

use orlop_config::{MachineAction, ServiceName};

use super::Supervisor;
use crate::restart::delay;
use crate::unit::{Id, Phase};
use crate::{Effect, Shutdown};

impl Supervisor {
    /// It has failed by its policy or a limit, not by a dependency.
    pub(super) fn fail_for_good(&mut self, id: Id, cause: String) {
        self.fail(id, false, cause);
        if self.leaving.is_some() {
            return;
        }
        let unit = &self.units[id];
        let name = unit.name.clone();
        let action = unit.plan.on_failure.clone();
        if action.restart_dependents {
            let cause = format!("restarted because \"{name}\" failed");
            for dependent in self.units[id].dependents.clone() {
                self.restart_running(dependent, &cause, None);
            }
        }
        if let Some(start) = action.start {
            self.start_after(&start, &name);
        }
        if let Some(kind) = action.machine {
            self.effects.push(Effect::EndMachine {
                service: name,
                kind: match kind {
                    MachineAction::Reboot => Shutdown::Reboot,
                    MachineAction::PowerOff => Shutdown::PowerOff,
                },
            });
        }
    }

    /// Starts what another one's failure asks for, and what that requires; each after its back-off
    /// if it has failed itself, so that two that start one another do not spin.
    fn start_after(&mut self, name: &ServiceName, failed: &ServiceName) {
        let Some(target) = self.units.id(name) else {
            return;
        };
        let cause = format!("started because \"{failed}\" failed");
        let mut ids = self.unmet_requirements(target);
        ids.push(target);
        for id in ids {
            let unit = &mut self.units[id];
            match unit.phase {
                Phase::Down => {
                    unit.wanted = true;
                    unit.completed = false;
                    self.begin(id, &cause);
                }
                Phase::Failed {
                    by_dependency: false,
                } => {
                    let rules = &unit.plan.restart;
                    let pause = delay(rules.first_delay, rules.cap, unit.in_row);
                    let due = self.now.saturating_add(self.jitter.apply(pause));
                    self.back_off(id, due, &cause);
                }
                _ => {}
            }
        }
    }
}
