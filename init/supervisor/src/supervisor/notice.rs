//! What a service says of itself. PID 1 has checked who speaks; here is what it means.

use orlop_config::{Kind, Readiness};

use super::Supervisor;
use super::health::clip;
use crate::timers::Timer;
use crate::unit::{Ending, Id, Phase, STOP_EXTENSION, Why};
use crate::{Notice, Time};

/// A `STATUS=` is kept up to so many bytes.
const STATUS_TEXT: usize = 1024;

impl Supervisor {
    /// Of the life at hand only: what an earlier one said is read too late to mean anything.
    pub(super) fn notice(&mut self, id: Id, serial: u64, notice: Notice) {
        let unit = &mut self.units[id];
        let phase = unit.phase;
        let Some(life) = unit.life_of(serial) else {
            return;
        };
        match notice {
            Notice::Ready => self.said_ready(id),
            Notice::Reloading => unit.status.reloading = phase == Phase::Up,
            Notice::Stopping => {
                if phase.runs() {
                    self.said_stopping(id);
                }
            }
            Notice::Status(text) => unit.status.text = Some(clip(text, STATUS_TEXT)),
            Notice::Errno(errno) => life.errno = (errno != 0).then_some(errno),
            Notice::MainPid(pid) => {
                if life.main_runs() {
                    unit.status.pid = Some(pid);
                }
            }
            Notice::WatchdogPing => {
                if phase == Phase::Up {
                    self.arm_watchdog(id);
                }
            }
            Notice::WatchdogTrigger => {
                if phase.runs() {
                    self.bite(id, "watchdog: triggered by the service".to_owned());
                }
            }
            Notice::WatchdogUsec(every) => {
                life.watchdog = Some(every);
                if phase == Phase::Up {
                    self.arm_watchdog(id);
                }
            }
            Notice::ExtendTimeout(more) => self.extend(id, more),
        }
    }

    fn said_ready(&mut self, id: Id) {
        let unit = &mut self.units[id];
        unit.status.reloading = false;
        if !matches!(unit.plan.readiness, Readiness::Notify | Readiness::Fd(_)) {
            return;
        }
        if let Some(life) = unit.life.as_mut() {
            life.said_ready = true;
        }
        if unit.phase == Phase::Readying && unit.plan.kind == Kind::Service {
            self.become_up(id, "ready");
        }
    }

    /// It ends by its own wish: not asked again, but bounded as any stop.
    fn said_stopping(&mut self, id: Id) {
        let now = self.now;
        let unit = &mut self.units[id];
        let grace = unit.plan.grace;
        if let Some(life) = unit.life.as_mut() {
            life.begin_end(now, unit.plan.restart.reset_after);
        }
        self.set_deadline(id, Some(now.saturating_add(grace)));
        let ending = Ending::new(Why::Itself);
        self.enter(id, Phase::Ending(ending), "stopping by itself");
    }

    /// A start or a stop that takes longer, as long as the service goes on saying so.
    fn extend(&mut self, id: Id, more: Time) {
        let unit = &self.units[id];
        let wish = self.now.saturating_add(more);
        let until = match unit.phase {
            Phase::Readying => wish,
            Phase::Ending(ending) if !ending.killed => {
                let since = unit.status.since;
                wish.min(since.saturating_add(STOP_EXTENSION))
            }
            _ => return,
        };
        let bound = unit.timers.get(Timer::Phase);
        if bound.is_some_and(|bound| bound < until) {
            self.set_deadline(id, Some(until));
        }
    }
}
