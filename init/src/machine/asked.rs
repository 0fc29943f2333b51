//! Requests that wait for the supervisor's answer, and stops that wait for other stops.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use orlop_config::ServiceName;
use orlop_control::ControlError;
use orlop_control::server::{Reply, Responder};
use orlop_supervisor::RequestError;

/// Requests that the supervisor has not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    next: u64,
    /// How many further processes were asked for.
    pub(super) execs: u64,
    open: HashMap<u64, (ServiceName, Rc<Asked>)>,
    pub(super) held: Vec<Held>,
}

/// One call, which the supervisor answers once for each service that is meant.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) reply: RefCell<Option<Responder>>,
    pub(super) left: Cell<usize>,
    pub(super) failed: RefCell<Option<ControlError>>,
}

/// A stop that waits for those of the same call that depend on the service.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) service: ServiceName,
    pub(super) id: u64,
    /// Requests that are answered first.
    pub(super) after: Vec<u64>,
}

impl Requests {
    pub(super) fn open(&mut self, service: &ServiceName, asked: &Rc<Asked>) -> u64 {
        self.next += 1;
        let entry = (service.clone(), asked.clone());
        self.open.insert(self.next, entry);
        self.next
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.next
    }

    /// When all of a call are answered, the first failure is its answer; success is one of all. Gives
    /// the stops that need not wait any more.
    pub(crate) fn answer(
        &mut self,
        id: u64,
        result: Result<(), RequestError>,
    ) -> Vec<(ServiceName, u64)> {
        let Some((name, asked)) = self.open.remove(&id) else {
            return Vec::new();
        };
        if let Err(error) = result {
            let mut failed = asked.failed.borrow_mut();
            failed.get_or_insert_with(|| refusal(name.as_str(), error));
        }
        asked.left.set(asked.left.get().saturating_sub(1));
        if asked.left.get() == 0
            && let Some(reply) = asked.reply.take()
        {
            reply.answer(asked.failed.take().map_or(Ok(Reply::Done {}), Err));
        }
        let mut free = Vec::new();
        self.held.retain_mut(|held| {
            held.after.retain(|first| *first != id);
            let waits = !held.after.is_empty();
            if !waits {
                free.push((held.service.clone(), held.id));
            }
            waits
        });
        free
    }
}

fn refusal(name: &str, error: RequestError) -> ControlError {
    let name = name.to_owned();
    match error {
        RequestError::NoSuchService { name, nearest } => ControlError::NoSuchService {
            name,
            nearest: nearest.map(|name| name.to_string()),
        },
        RequestError::ShuttingDown => ControlError::ShuttingDown {},
        RequestError::NotRunning => ControlError::NotRunning { name },
        RequestError::Failed(reason) => ControlError::Failed { name, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::new(text).unwrap()
    }

    #[test]
    fn a_held_stop_is_free_once_all_before_it_are_answered() {
        let mut requests = Requests::default();
        let asked = Rc::new(Asked {
            reply: RefCell::new(None),
            left: Cell::new(3),
            failed: RefCell::new(None),
        });
        let [web, app, db] = ["web", "app", "db"].map(|text| requests.open(&name(text), &asked));
        requests.held.push(Held {
            service: name("db"),
            id: db,
            after: vec![web, app],
        });
        assert_eq!(requests.answer(web, Ok(())), []);
        // A stop that fails frees it as well: who is stuck is not waited for.
        let stuck = RequestError::Failed("survives".to_owned());
        assert_eq!(requests.answer(app, Err(stuck)), [(name("db"), db)]);
        assert_eq!(requests.answer(app, Ok(())), [], "once");
        assert_eq!(requests.answer(db, Ok(())), []);
        let failed = asked.failed.take();
        assert!(
            matches!(&failed, Some(ControlError::Failed { name, .. }) if name == "app"),
            "{failed:?}"
        );
        assert!(requests.open.is_empty() && requests.held.is_empty());
    }
}
