//! The one place that waits for processes (waitid(2)).
//!
//! Everything PID 1 starts is registered here in the same breath as it is started; the loop runs
//! `reap` at each SIGCHLD. A pid nobody registered is an orphan that the kernel gave to PID 1: it
//! is reaped and forgotten. PID 1 has one thread, so a registration never races with `reap`, and
//! no two waiters steal each other's children (edge case 33).

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use orlop_supervisor::ExitStatus;
use tokio::sync::oneshot;

/// So many are reaped at once: of 10,000 orphans the loop is kept for some milliseconds at a time.
const AT_ONCE: usize = 256;

/// Who waits for which pid; a handle, shared on PID 1's one thread.
#[derive(Debug, Clone, Default)]
pub struct Reaper(Rc<RefCell<HashMap<i32, oneshot::Sender<ExitStatus>>>>);

impl Reaper {
    /// Nobody waits yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Resolves when `pid` has ended and was reaped. Call it before the next await after the start.
    #[must_use]
    pub fn watch(&self, pid: i32) -> oneshot::Receiver<ExitStatus> {
        let (sender, receiver) = oneshot::channel();
        self.0.borrow_mut().insert(pid, sender);
        receiver
    }

    /// Reaps processes that have ended; true when there may be more of them.
    #[must_use = "an orphan that is left is not told of again"]
    pub fn reap(&self) -> bool {
        // An error that is neither "no child" nor "interrupted" does not exist (waitid(2)); what it
        // would leave behind comes with the next SIGCHLD.
        let ended = orlop_sys::reaper::reap(AT_ONCE).unwrap_or_default();
        let more = ended.len() == AT_ONCE;
        for (pid, status) in ended {
            let waiter = self.0.borrow_mut().remove(&pid);
            if let Some(waiter) = waiter {
                // The waiter may have given up at its deadline.
                let _gone = waiter.send(status_of(status));
            }
        }
        more
    }
}

fn status_of(status: orlop_sys::reaper::ExitStatus) -> ExitStatus {
    match status {
        orlop_sys::reaper::ExitStatus::Exited(code) => ExitStatus::Exited(code),
        orlop_sys::reaper::ExitStatus::Signaled(signal) => ExitStatus::Signaled(signal),
        orlop_sys::reaper::ExitStatus::Dumped(signal) => ExitStatus::Dumped(signal),
    }
}
