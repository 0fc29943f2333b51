//! `[watchdog]`: hardware that resets the machine when PID 1 does not move any more.
//!
//! It is fed twice in its time, and only when the loop has come round since: who is stuck, or gone
//! to the emergency console, is reset. While the machine ends it stays armed, with time for the
//! bounded steps of the end.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use orlop_config::Watchdog as WatchdogConfig;
use orlop_supervisor::Shutdown;
use tokio::sync::oneshot;

use crate::machine::LoopEvent;
use crate::running::Shared;
use crate::stage::chain;

/// More than the steps of the end after the services take together (`shutdown`).
const END: Duration = Duration::from_secs(60);

/// A watchdog that runs.
#[derive(Debug)]
pub struct Watchdog {
    /// None once it was let go.
    device: RefCell<Option<File>>,
    /// As it counts while the machine runs.
    timeout: Duration,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
enum WatchdogError {
    #[error("opening it")]
    Open(#[source] std::io::Error),
    #[error("setting {0} s, which it may not be able to count")]
    Timeout(u64, #[source] Errno),
}

/// Arms the watchdog that `system.toml` asks for, once its device is there. True when there is
/// nothing more to wait for.
pub(crate) fn arm_if_there(shared: &Rc<Shared>) -> bool {
    let Some(wanted) = &shared.machine.watchdog else {
        return true;
    };
    if shared.watchdog.initialized() {
        return true;
    }
    if !wanted.device.exists() {
        return false;
    }
    let device = wanted.device.display();
    match arm(wanted) {
        Ok(armed) => {
            let (report, timeout) = (&shared.report, armed.timeout);
            report.record(&format!(
                "watchdog {device}: armed, {} s",
                timeout.as_secs()
            ));
            let _was_not_set = shared.watchdog.set(Some(armed));
            crate::task::spawn(feed(shared.clone(), timeout / 2));
        }
        Err(error) => {
            shared
                .report
                .warn(&format!("watchdog {device}: {}", chain(&error)));
            let _was_not_set = shared.watchdog.set(None);
        }
    }
    true
}

/// Says that there is none, and how there could be one.
pub(crate) fn tell_missing(shared: &Shared) {
    if let Some(wanted) = &shared.machine.watchdog {
        shared.report.warn(&format!(
            "watchdog: this machine has no {}; the kernel's own needs no hardware: \
             [kernel] modules = [\"softdog\"] in system.toml",
            wanted.device.display()
        ));
    }
}

fn arm(wanted: &WatchdogConfig) -> Result<Watchdog, WatchdogError> {
    let device = File::options()
        .write(true)
        .open(&wanted.device)
        .map_err(WatchdogError::Open)?;
    let mut watchdog = Watchdog {
        device: RefCell::new(Some(device)),
        timeout: wanted.timeout,
    };
    match watchdog.count(wanted.timeout) {
        Ok(timeout) => {
            watchdog.timeout = timeout;
            Ok(watchdog)
        }
        Err(errno) => {
            // With a time of its own it would bite when nobody expects it.
            watchdog.disarm();
            Err(WatchdogError::Timeout(wanted.timeout.as_secs(), errno))
        }
    }
}

/// Feeds it for as long as the loop comes round.
async fn feed(shared: Rc<Shared>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let (answer, reached) = oneshot::channel();
        let _loop_never_ends = shared.events.send(LoopEvent::Reached(answer));
        if reached.await.is_ok()
            && let Some(Some(armed)) = shared.watchdog.get()
        {
            armed.feed();
        }
    }
}

impl Watchdog {
    fn feed(&self) {
        if let Some(device) = &*self.device.borrow() {
            // Nothing else can be done about one that takes nothing than what it does itself.
            let _it_bites = orlop_sys::watchdog::feed(device);
        }
    }

    /// Sets its time and gives what the hardware makes of it.
    fn count(&self, timeout: Duration) -> Result<Duration, Errno> {
        let seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
        let device = self.device.borrow();
        let device = device.as_ref().ok_or(Errno::ENODEV)?;
        let seconds = orlop_sys::watchdog::set_timeout(device.as_fd(), seconds)?;
        Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    /// The loop has ended: time for the bounded steps of the end.
    pub fn begin_end(&self) {
        // What cannot count so long keeps its own time.
        let _shorter = self.count(END.max(self.timeout));
        self.feed();
    }

    /// The kernel is to end the machine now, within the usual time. One that halts is not reset.
    pub fn end(&self, kind: Shutdown) {
        if kind == Shutdown::Halt {
            self.disarm();
        } else {
            let _longer = self.count(self.timeout);
            self.feed();
        }
    }

    /// The magic close: without it the device would go on counting.
    fn disarm(&self) {
        if let Some(device) = self.device.take() {
            let _it_bites = orlop_sys::watchdog::disarm(&device);
        }
    }
}
