//! Health checks, as Docker makes them; with quicker probes until the first that passes.
//!
//! The verdict is Docker's: `start_period` after the launch failures begin to count, and `retries`
//! that count in a row make the service unhealthy; one that passes makes it healthy at any time. As
//! long as none has passed, at most one failure an `interval` counts, however often is asked: so that
//! asking more often than Docker finds a service ready sooner and condemns none sooner.

use std::time::Duration;

use orlop_config::{HealthCheck, Kind, OnUnhealthy, Readiness};

use super::Supervisor;
use crate::restart::Kind as End;
use crate::timers::Timer;
use crate::unit::{Checkup, Id, Phase};
use crate::{Effect, Health, ProbeResult, Time, cause};

/// The first probe comes so long after the launch; until one passes, the pauses double from here to
/// `start_interval`.
const FIRST_PROBE: Duration = Duration::from_millis(100);
/// No pause and no probe is shorter.
const LEAST: Duration = Duration::from_millis(1);
/// The last output is kept up to so many bytes, as in Docker.
const OUTPUT: usize = 4096;
/// So much of it goes into a cause.
const IN_CAUSE: usize = 160;

impl Supervisor {
    /// A life has begun.
    pub(super) fn begin_checkup(&mut self, id: Id) {
        let unit = &mut self.units[id];
        if !unit.phase.runs() {
            return;
        }
        if unit.plan.health.is_some() {
            unit.checkup = Checkup {
                probe: None,
                counted: self.now,
                probes: 0,
            };
            self.next_probe(id);
        }
    }

    /// The life ends: nobody wants to know any more.
    pub(super) fn end_checkup(&mut self, id: Id) {
        self.set_timer(id, Timer::Health, None);
        let unit = &mut self.units[id];
        if let Some(serial) = unit.checkup.probe.take() {
            self.effects.push(Effect::StopProbe {
                service: unit.name.clone(),
                serial,
            });
        }
    }

    fn next_probe(&mut self, id: Id) {
        let unit = &self.units[id];
        if let (Some(check), Some(health)) = (&unit.plan.health, unit.health()) {
            let at = self.now.saturating_add(pause(check, health, unit.checkup));
            self.set_timer(id, Timer::Health, Some(at));
        }
    }

    /// Time for a probe, or the end of one that takes too long.
    pub(super) fn health_due(&mut self, id: Id) {
        let unit = &mut self.units[id];
        let Some(timeout) = unit.plan.health.as_ref().map(|check| check.timeout) else {
            return;
        };
        let service = unit.name.clone();
        if let Some(serial) = unit.checkup.probe.take() {
            self.effects.push(Effect::StopProbe { service, serial });
            let text = format!("no answer within {}", cause::duration(timeout));
            self.probe_failed(id, text);
            return;
        }
        let Some(life) = unit.life.as_ref().map(|life| life.serial) else {
            return;
        };
        self.probes += 1;
        unit.checkup.probe = Some(self.probes);
        unit.checkup.probes = unit.checkup.probes.saturating_add(1);
        self.effects.push(Effect::Probe {
            service,
            life,
            serial: self.probes,
            timeout,
        });
        self.set_timer(
            id,
            Timer::Health,
            Some(self.now.saturating_add(timeout.max(LEAST))),
        );
    }

    pub(super) fn probe_done(&mut self, id: Id, life: u64, serial: u64, result: ProbeResult) {
        let unit = &mut self.units[id];
        if unit.checkup.probe != Some(serial) || unit.life_of(life).is_none() {
            return;
        }
        unit.checkup.probe = None;
        match result {
            ProbeResult::Passed(output) => self.probe_passed(id, output),
            ProbeResult::Failed(output) => self.probe_failed(id, output),
            ProbeResult::Unable(reason) => {
                self.probe_failed(id, format!("the probe was not made: {reason}"));
            }
        }
    }

    fn probe_passed(&mut self, id: Id, output: String) {
        let now = self.now;
        let unit = &mut self.units[id];
        let Some(status) = unit.status.health.as_mut() else {
            return;
        };
        let news = std::mem::replace(&mut status.health, Health::Healthy) != Health::Healthy;
        status.failing_streak = 0;
        status.last_output = clip(output, OUTPUT);
        if news {
            if let Some(life) = unit.life.as_mut().filter(|life| life.was_ready) {
                life.well_since = Some(now);
            }
            self.tell_dependents(id);
        }
        self.next_probe(id);
        let unit = &self.units[id];
        let by_health = unit.plan.readiness == Readiness::Healthy;
        let service = unit.plan.kind == Kind::Service;
        if unit.phase == Phase::Readying && by_health && service {
            self.become_up(id, "healthy");
        }
    }

    fn probe_failed(&mut self, id: Id, output: String) {
        let now = self.now;
        let unit = &mut self.units[id];
        let up = unit.life.as_ref().and_then(|life| life.up);
        let (Some(check), Some(status), Some(up)) =
            (&unit.plan.health, unit.status.health.as_mut(), up)
        else {
            return;
        };
        let first_line = output.lines().next().unwrap_or_default();
        let text = match first_line {
            "" => "unhealthy".to_owned(),
            line => format!("unhealthy: {}", clip(line.to_owned(), IN_CAUSE)),
        };
        status.last_output = clip(output, OUTPUT);
        let due = unit.checkup.counted.saturating_add(check.interval);
        let counts = now >= up.saturating_add(check.start_period)
            && (status.health != Health::Starting || now >= due);
        if counts {
            unit.checkup.counted = now;
            status.failing_streak = status.failing_streak.saturating_add(1);
        }
        let condemned = status.failing_streak >= check.retries.max(1);
        let news = condemned && status.health != Health::Unhealthy;
        if news {
            status.health = Health::Unhealthy;
            if let Some(life) = unit.life.as_mut() {
                life.well_since = None;
            }
        }
        let restart = news && unit.plan.on_unhealthy == OnUnhealthy::Restart;
        self.next_probe(id);
        if news {
            self.tell_dependents(id);
        }
        if restart {
            self.trouble(id, End::Unhealthy, text);
            self.send_stop(id);
        }
    }
}

fn pause(check: &HealthCheck, health: Health, checkup: Checkup) -> Time {
    let pause = match health {
        Health::Starting => {
            let doubled = 2_u32
                .checked_pow(checkup.probes)
                .and_then(|factor| FIRST_PROBE.checked_mul(factor))
                .unwrap_or(check.start_interval);
            doubled.min(check.start_interval).min(check.interval)
        }
        Health::Healthy | Health::Unhealthy => check.interval,
    };
    pause.max(LEAST)
}

/// The beginning of a text, cut between characters.
pub(super) fn clip(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}
