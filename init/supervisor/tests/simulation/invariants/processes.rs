//! Signals, probes and resources go with the life that they are of.

use orlop_config::Signal;
use orlop_supervisor::{ServiceState, Time};

use super::{Invariants, Verdict, ensure};
use crate::world::World;

impl Invariants {
    pub(super) fn signal(&self, id: usize, signal: Signal, now: Time, world: &World) -> Verdict {
        let name = &self.services[id].name;
        let process = &world.processes[id];
        ensure(process.told_launched && !process.told_exit, || {
            format!("signal to {name} without a main process")
        })?;
        let seen = &self.seen[id];
        if signal == Signal::ABRT && !seen.own_watchdog {
            let watchdog = self.services[id].supervision.watchdog;
            // What it said counts from when it said it, read or not.
            let fed = seen.fed.max(process.fed);
            ensure(watchdog.is_some_and(|every| now - fed >= every), || {
                format!("the watchdog of {name} bit after {:?}", now - fed)
            })?;
        }
        Ok(())
    }

    pub(super) fn read_out(&self, id: usize, life: u64) -> Verdict {
        let seen = &self.seen[id];
        ensure(seen.state == ServiceState::Up && seen.life == life, || {
            format!("the watchdog of {} in {seen:?}", self.services[id].name)
        })
    }

    pub(super) fn probe(&mut self, id: usize, life: u64, serial: u64) -> Verdict {
        let name = &self.services[id].name;
        let seen = &mut self.seen[id];
        let runs = matches!(seen.state, ServiceState::Starting | ServiceState::Up);
        ensure(runs && seen.life == life, || {
            format!("probe of {name} in {seen:?}")
        })?;
        let before = seen.probe.replace(serial);
        ensure(before.is_none(), || format!("two probes of {name} at once"))
    }

    pub(super) fn release(&mut self, id: usize, world: &World) -> Verdict {
        let name = &self.services[id].name;
        let seen = &mut self.seen[id];
        // A oneshot that remains is up without a process.
        let rests = match seen.state {
            ServiceState::Down | ServiceState::Failed => true,
            ServiceState::Up => seen.completed,
            _ => false,
        };
        let held = std::mem::take(&mut seen.held);
        let empty = world.processes[id].nothing_left();
        ensure(rests && held && empty, || {
            format!("release of {name} in use: {seen:?}")
        })
    }
}
