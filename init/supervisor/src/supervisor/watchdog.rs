//! The watchdog: a service that is up and has asked for it must say that it lives.

use super::Supervisor;
use crate::cause;
use crate::restart::Kind as End;
use crate::timers::Timer;
use crate::unit::{Id, READ_OUT_BOUND};
use crate::{Effect, Time};

use orlop_config::Signal;

impl Supervisor {
    /// From now on, or once more from now on.
    pub(super) fn arm_watchdog(&mut self, id: Id) {
        let unit = &mut self.units[id];
        let own = unit.life.as_ref().and_then(|life| life.watchdog);
        let every = own.or(unit.plan.watchdog);
        let every = every.filter(|every| *every > Time::ZERO);
        unit.status.watchdog = every;
        unit.silent = false;
        let at = every.map(|every| self.now.saturating_add(every));
        self.set_timer(id, Timer::Watchdog, at);
    }

    pub(super) fn disarm_watchdog(&mut self, id: Id) {
        let unit = &mut self.units[id];
        unit.status.watchdog = None;
        unit.silent = false;
        self.set_timer(id, Timer::Watchdog, None);
    }

    /// Nothing was heard; but what was said may lie unread while the machine is busy. That is read
    /// first, and not for ever: a service that says other things all the time is not alive either.
    pub(super) fn watchdog_expired(&mut self, id: Id) {
        let unit = &mut self.units[id];
        if std::mem::replace(&mut unit.silent, true) {
            self.silent(id);
            return;
        }
        self.effects.push(Effect::ReadOut {
            service: unit.name.clone(),
            life: unit.status.life,
        });
        let bound = self.now.saturating_add(READ_OUT_BOUND);
        self.set_timer(id, Timer::Watchdog, Some(bound));
    }

    /// All that it had said has been told: nothing of that was a sign of life.
    pub(super) fn read_out(&mut self, id: Id, life: u64) {
        let unit = &mut self.units[id];
        if unit.silent && unit.life_of(life).is_some() {
            self.silent(id);
        }
    }

    fn silent(&mut self, id: Id) {
        let every = self.units[id].status.watchdog.unwrap_or_default();
        let text = format!("watchdog: nothing heard for {}", cause::duration(every));
        self.bite(id, text);
    }

    /// The watchdog's verdict: SIGABRT, so that a core dump can tell where it hung; the grace period
    /// and the kill follow as in any stop.
    pub(super) fn bite(&mut self, id: Id, text: String) {
        self.trouble(id, End::Watchdog, text);
        self.effects.push(Effect::Signal {
            service: self.units[id].name.clone(),
            signal: Signal::ABRT,
        });
    }
}
