//! The watchdog: a service that is up and has asked for it must say that it lives.

use super::Supervisor;
use crate::cause;
use crate::restart::Kind as End;
use crate::timers::Timer;
use crate::unit::Id;
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
        let at = every.map(|every| self.now.saturating_add(every));
        self.set_timer(id, Timer::Watchdog, at);
    }

    pub(super) fn disarm_watchdog(&mut self, id: Id) {
        self.units[id].status.watchdog = None;
        self.set_timer(id, Timer::Watchdog, None);
    }

    pub(super) fn watchdog_expired(&mut self, id: Id) {
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
