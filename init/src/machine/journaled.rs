//! The one place that lets the supervisor decide, and that writes the journal: what is about to be done
//! and that it has been done, at once; what is so, once for all that happens within some milliseconds: a
//! restart's launch does not wait for what is written of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use nix::errno::Errno;
use orlop_config::ServiceName;
use orlop_supervisor::{Effect, Event, ExitStatus, PastExit, Request};

use super::Machine;
use super::service_info::state_word;
use crate::clock::{boottime, micros};
use crate::journal::{Deadlines, Deed, Exit, Facts, Intent, Journal, MachineFacts};
use crate::shutdown;

/// How long what is so waits for what is to be done, and for what changes next.
const GATHER: Duration = Duration::from_millis(5);
const LATEST: Duration = Duration::from_millis(50);

/// The journal, if there is one, and what it costs to know only once.
#[derive(Debug)]
pub(super) struct Journaled {
    journal: Option<Journal>,
    /// Services of which something may have changed since it was written.
    touched: BTreeSet<ServiceName>,
    /// When that is written.
    due: Option<Duration>,
    /// Main processes with their start times.
    started: BTreeMap<ServiceName, (u32, Option<u64>)>,
    /// What was not told yet.
    failed: Option<Errno>,
    /// A journal that cannot be written is no reason to stop: it is said once.
    told: bool,
}

impl Journaled {
    pub(super) fn start() -> Self {
        let (journal, failed) = match Journal::start() {
            Ok(journal) => (Some(journal), None),
            Err(errno) => (None, Some(errno)),
        };
        Self {
            journal,
            touched: BTreeSet::new(),
            due: None,
            started: BTreeMap::new(),
            failed,
            told: false,
        }
    }

    /// Writes, and remembers a failure that was not told yet.
    fn write<T>(&mut self, write: impl FnOnce(&mut Journal) -> Result<T, Errno>) -> Option<T> {
        let result = write(self.journal.as_mut()?);
        if let Err(errno) = &result {
            self.failed = Some(*errno);
        }
        result.ok()
    }

    /// When the service's main process started, in ticks since boot.
    fn start_time(&mut self, service: &ServiceName, pid: Option<u32>) -> Option<u64> {
        let pid = pid?;
        if let Some((known, time)) = self.started.get(service)
            && *known == pid
        {
            return *time;
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let time = start_time(&stat);
        self.started.insert(service.clone(), (pid, time));
        time
    }
}

impl Machine {
    /// The only place that lets the supervisor decide.
    pub(crate) fn step(&mut self, event: Event) {
        let now = boottime();
        match event {
            // Those too that are not started: all of them are known from here on.
            Event::Boot => self.journaled.touched.extend(self.units.keys().cloned()),
            _ => self.journaled.touched.extend(subject(&event).cloned()),
        }
        let due = *self.journaled.due.get_or_insert(now + GATHER);
        if due + LATEST <= now {
            // A flood of events leaves the loop no moment for it.
            self.tell_facts();
        }
        if let Event::Launched { service, .. } | Event::LaunchFailed { service, .. } = &event {
            self.journaled
                .write(|journal| journal.launched(service.as_str()));
        }
        self.time_event(&event);
        let effects = self.supervisor.step(event, now);
        let touched = effects.iter().filter_map(object).cloned();
        self.journaled.touched.extend(touched);
        for effect in effects {
            let intent = intent(&effect);
            let number = intent.and_then(|intent| self.journaled.write(|j| j.intent(intent)));
            let is_launch = matches!(effect, Effect::Launch { .. });
            self.perform(effect);
            // The end of a launch is an event.
            if let Some(number) = number.filter(|_| !is_launch) {
                self.journaled.write(|journal| journal.done(number));
            }
        }
    }

    /// When [`Machine::tell_facts`] is to be called.
    pub(super) fn facts_due(&self) -> Option<Duration> {
        self.journaled.due
    }

    /// Writes what is so of services and of the machine, as far as it has changed.
    pub(super) fn tell_facts(&mut self) {
        self.journaled.due = None;
        for service in std::mem::take(&mut self.journaled.touched) {
            if let Some(facts) = self.facts(&service) {
                self.journaled.write(|journal| journal.service(facts));
            }
        }
        let machine = MachineFacts {
            booted_us: (!self.booted_at.is_zero()).then(|| micros(self.booted_at)),
            ending: self.ending.map(|kind| shutdown::name(kind).to_owned()),
            requests: self.requests.count(),
        };
        self.journaled.write(|journal| journal.machine(&machine));
        if let Some(errno) = self.journaled.failed.take()
            && !std::mem::replace(&mut self.journaled.told, true)
        {
            let report = &self.shared.report;
            report.warn(&format!("writing the journal: {errno:?}"));
        }
    }

    fn facts(&mut self, service: &ServiceName) -> Option<Facts> {
        let status = self.supervisor.status(service)?;
        let kept = self.supervisor.kept(service)?;
        let unit = self.units.get(service)?;
        Some(Facts {
            name: service.to_string(),
            wanted: kept.wanted,
            state: state_word(status.state).to_owned(),
            since_us: micros(status.since),
            cause: status.cause.clone(),
            life: status.life,
            pid: status.pid,
            start_time: self.journaled.start_time(service, status.pid),
            id_base: unit.id_base,
            cgroup: unit.cgroup_inode(),
            address: unit.address(),
            restarts: status.restarts,
            exits: status.last_exits.iter().map(exit).collect(),
            due: Deadlines {
                phase_us: kept.phase.map(micros),
                health_us: kept.health.map(micros),
                watchdog_us: kept.watchdog.map(micros),
                schedule_us: kept.schedule.map(micros),
            },
            failing: status.health.as_ref().map_or(0, |h| h.failing_streak),
            oom_kills: status.oom_kills,
            next_run: status.next_run,
        })
    }
}

fn exit(past: &PastExit) -> Exit {
    let (code, signal) = match past.status {
        Some(ExitStatus::Exited(code)) => (Some(code), None),
        Some(ExitStatus::Signaled(signal) | ExitStatus::Dumped(signal)) => (None, Some(signal)),
        None => (None, None),
    };
    Exit {
        at_us: micros(past.at),
        code,
        signal,
        cause: past.cause.clone(),
    }
}

/// Whom an event is about.
fn subject(event: &Event) -> Option<&ServiceName> {
    match event {
        Event::Launched { service, .. }
        | Event::LaunchFailed { service, .. }
        | Event::LaunchWaits { service, .. }
        | Event::MainExited { service, .. }
        | Event::CgroupEmpty { service }
        | Event::Notice { service, .. }
        | Event::ReadOut { service, .. }
        | Event::ProbeDone { service, .. }
        | Event::OomKilled { service, .. } => Some(service),
        Event::Request { request, .. } => match request {
            Request::Start(service)
            | Request::Stop(service)
            | Request::Restart(service)
            | Request::Kill(service, _) => Some(service),
        },
        Event::Boot
        | Event::Resource { .. }
        | Event::WallClock { .. }
        | Event::Deadline
        | Event::Shutdown(_) => None,
    }
}

/// Whom an effect is about.
fn object(effect: &Effect) -> Option<&ServiceName> {
    match effect {
        Effect::Launch { service, .. }
        | Effect::Signal { service, .. }
        | Effect::KillCgroup { service }
        | Effect::Probe { service, .. }
        | Effect::ReadOut { service, .. }
        | Effect::StopProbe { service, .. }
        | Effect::Release { service }
        | Effect::StateChanged { service, .. }
        | Effect::EndMachine { service, .. } => Some(service),
        Effect::Reply { .. } | Effect::BootComplete | Effect::ShutdownComplete(_) => None,
    }
}

/// What must be known to have been tried. A probe is only asked again.
fn intent(effect: &Effect) -> Option<Intent> {
    let (service, deed, number) = match effect {
        Effect::Launch { service, life } => (service, Deed::Launch, *life),
        Effect::Signal { service, signal } => {
            let number = u64::try_from(signal.number()).unwrap_or_default();
            (service, Deed::Signal, number)
        }
        Effect::KillCgroup { service } => (service, Deed::Kill, 0),
        Effect::Release { service } => (service, Deed::Release, 0),
        _ => return None,
    };
    Some(Intent {
        service: service.to_string(),
        deed,
        number,
    })
}

/// Field 22 of /proc/<pid>/stat. The second, the name, may hold anything; no later one a parenthesis.
fn start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let stat = "120 (a) b (c)) S 1 120 120 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 4711 1000";
        assert_eq!(start_time(stat), Some(4711));
        assert_eq!(start_time(""), None);
    }
}
