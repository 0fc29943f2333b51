//! Every request is answered once, and as late as it must be at the most.

use orlop_supervisor::{Request, RequestError, ServiceState};

use super::{Invariants, Verdict, ensure};

impl Invariants {
    pub(super) fn ask(&mut self, request: &Request) {
        match request {
            Request::Start(name) | Request::Restart(name) => {
                // Of what is stuck it is refused.
                if let Some(id) = self.ids.get(name).copied()
                    && !self.seen[id].stuck
                    && (self.seen[id].state != ServiceState::Up
                        || matches!(request, Request::Restart(_)))
                {
                    self.raise(id);
                }
            }
            Request::Stop(name) => {
                if let Some(id) = self.ids.get(name).copied() {
                    self.seen[id].wanted = false;
                    self.seen[id].completed = false;
                }
            }
            Request::Kill(..) => {}
        }
    }

    /// A start raises all that it requires and that is not there.
    fn raise(&mut self, id: usize) {
        let seen = &mut self.seen[id];
        if !seen.stuck {
            seen.wanted = true;
            seen.restarts = 0;
            seen.in_row = 0;
            seen.window.clear();
        }
        for (name, dependency) in self.services[id].depends_on.clone() {
            if let Some(on) = self.ids.get(&name).copied()
                && dependency.required
                && self.seen[on].state != ServiceState::Up
                && !self.seen[on].completed
            {
                self.raise(on);
            }
        }
    }

    pub(super) fn answered(&mut self, id: u64, result: &Result<(), RequestError>) -> Verdict {
        let request = self.open.remove(&id);
        ensure(request.is_some(), || {
            format!("request {id} answered twice, or never asked: {result:?}")
        })
    }

    /// A request that waits agrees with what is wanted: else another has superseded it.
    pub(super) fn none_superseded(&self) -> Verdict {
        for (id, request) in &self.open {
            let (name, up) = match request {
                Request::Start(name) | Request::Restart(name) => (name, true),
                Request::Stop(name) => (name, false),
                Request::Kill(..) => return Err(format!("kill {id} unanswered")),
            };
            let service = self.ids.get(name).copied();
            let pulled = service.is_some_and(|id| self.pulled.contains(&id));
            let wanted = service.map(|id| self.seen[id].wanted);
            ensure(wanted == Some(up) || pulled, || {
                format!("unanswered though superseded: {request:?}")
            })?;
        }
        Ok(())
    }
}
