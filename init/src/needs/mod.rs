//! `needs`: what the machine must have before a service starts, looked after only while a service
//! that says so does not run.
//!
//! | need | where it is known from |
//! |---|---|
//! | `link`, `address`, `online` | the network's owner, which tells each change |
//! | `time` | adjtimex(2), asked each second: the kernel tells nobody |
//! | `path`, `device` | inotify(7) on the directory; where that hears nothing or might block, a child looks every other second |
//!
//! That a device is not there is told once the drivers are loaded: until then it may still come.

mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use orlop_config::{Need, ServiceName};
use orlop_supervisor::{Event, ServiceState};
use tokio::task::AbortHandle;

use crate::machine::LoopEvent;
use crate::network::Reach;
use crate::running::{Shared, Unit, settled};
use orlop_config::compact::gather;

/// How often the clock is looked at.
const CLOCK: Duration = Duration::from_secs(1);

/// The needs of all services; empty on most machines.
#[derive(Debug)]
pub struct Needs {
    /// Whose, for those that have any.
    of: BTreeMap<ServiceName, Vec<Need>>,
    /// Services of `of` that do not run.
    waiting: BTreeSet<ServiceName>,
    watchers: BTreeMap<Need, AbortHandle>,
    /// As it was told last.
    present: BTreeSet<Need>,
    /// Devices that were told to be missing.
    missing: BTreeSet<Need>,
    shared: Rc<Shared>,
}

impl Needs {
    /// Of these services.
    #[must_use]
    pub fn new(units: &BTreeMap<ServiceName, Unit>, shared: Rc<Shared>) -> Self {
        let needs = units
            .iter()
            .map(|(name, unit)| (name.clone(), unit.service.supervision.needs.clone()))
            .filter(|(_, needs)| !needs.is_empty());
        let of: BTreeMap<_, _> = gather(needs);
        let mut needs = Self {
            waiting: gather(of.keys().cloned()),
            of,
            watchers: BTreeMap::new(),
            present: BTreeSet::new(),
            missing: BTreeSet::new(),
            shared,
        };
        needs.watch();
        needs
    }

    /// Follows a service's state: who runs needs nothing any more.
    pub fn state_changed(&mut self, service: &ServiceName, state: ServiceState) {
        if !self.of.contains_key(service) {
            return;
        }
        let changed = match state {
            ServiceState::Starting | ServiceState::Up => self.waiting.remove(service),
            _ => self.waiting.insert(service.clone()),
        };
        if changed {
            self.watch();
        }
    }

    /// What the network reaches now, as far as somebody wants to know.
    pub fn reached(&mut self, reach: &Reach) -> Vec<Event> {
        let wanted: BTreeSet<Need> = gather(self.of.values().flatten().cloned());
        let mut events = Vec::new();
        for need in wanted {
            let present = match &need {
                Need::Link(None) => !reach.carriers.is_empty(),
                Need::Link(Some(name)) => reach.carriers.iter().any(|link| link.as_str() == name),
                Need::Address => reach.address,
                Need::Online => reach.online,
                Need::Time | Need::Path(_) | Need::Device(_) => continue,
            };
            events.extend(self.changed(need, present));
        }
        events
    }

    /// What the supervisor is to know of one need; nothing when it knows.
    pub fn changed(&mut self, need: Need, present: bool) -> Option<Event> {
        let was_missing = self.missing.remove(&need);
        let changed = match present {
            true => self.present.insert(need.clone()),
            false => self.present.remove(&need) || matches!(need, Need::Device(_)) && !was_missing,
        };
        if !present && matches!(need, Need::Device(_)) {
            self.missing.insert(need.clone());
        }
        changed.then_some(Event::Resource { need, present })
    }

    /// Starts and ends watchers, so that there is one for each need that somebody waits for.
    fn watch(&mut self) {
        let waiting = self.waiting.iter().filter_map(|name| self.of.get(name));
        let wanted: BTreeSet<&Need> = gather(waiting.flatten());
        self.watchers.retain(|need, watcher| {
            let keep = wanted.contains(need);
            if !keep {
                watcher.abort();
            }
            keep
        });
        for need in wanted {
            if self.watchers.contains_key(need) {
                continue;
            }
            let shared = self.shared.clone();
            let (reaper, events) = (shared.reaper.clone(), shared.events.clone());
            let told = need.clone();
            let tell = move |present| {
                let event = LoopEvent::Need(told.clone(), present);
                let _loop_never_ends = events.send(event);
            };
            let task = match need.clone() {
                Need::Time => crate::task::spawn(clock(tell)),
                Need::Path(path) => crate::task::spawn(place::watch(path, false, reaper, tell)),
                Need::Device(path) => crate::task::spawn(device(path, shared, tell)),
                Need::Link(_) | Need::Address | Need::Online => continue,
            };
            self.watchers.insert(need.clone(), task.abort_handle());
        }
    }
}

async fn device(path: PathBuf, shared: Rc<Shared>, tell: impl Fn(bool)) {
    let early = |present| {
        if present {
            tell(true);
        }
    };
    tokio::select! {
        () = place::watch(path.clone(), true, shared.reaper.clone(), early) => {}
        () = settled(&shared.devices_settled) => {}
    }
    place::watch(path, true, shared.reaper.clone(), tell).await;
}

async fn clock(tell: impl Fn(bool)) {
    loop {
        let synchronised = orlop_sys::clock::is_synchronised();
        tell(synchronised);
        if synchronised {
            return;
        }
        tokio::time::sleep(CLOCK).await;
    }
}
