//! The main process: the one that was launched, and the one that the service named in its place
//! (`MAINPID=` of sd_notify(3)).

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use orlop_config::Signal;
use orlop_supervisor::Event;
use orlop_sys::pidfd;
use tokio::io::Interest;

use super::{Shared, Unit, stop};
use crate::machine::LoopEvent;
use crate::watched::watch;

/// So many processes that survive SIGKILL are named.
const NAMED: usize = 3;

/// So long after the end of a named main process the launched one, which is process 1 of the
/// container, may take to end by itself.
const FOLLOW: Duration = Duration::from_secs(1);

/// A process that was not reaped yet: its pid is its own until then.
#[derive(Debug)]
pub(super) struct MainProcess {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
}

impl MainProcess {
    /// Sends a signal by the pidfd: never to another process of the same pid.
    pub(super) fn signal(&self, signal: Signal) {
        // ESRCH: it has ended and its exit is on the way to the loop.
        let _ended = pidfd::send_signal(self.pidfd.as_fd(), signal.number());
    }
}

impl Unit {
    /// Sends a signal to the main process.
    pub fn signal(&self, signal: Signal) {
        if let Some(main) = self.main() {
            main.signal(signal);
        }
    }

    /// Sends the stop signal to the main process as soon as it listens.
    pub fn stop(&self, signal: Signal) {
        if let Some(main) = self.main() {
            crate::task::spawn(stop::deliver(self.clone(), main, signal));
        }
    }

    /// Whether this is still its main process.
    pub(super) fn is_main(&self, main: &Rc<MainProcess>) -> bool {
        self.main().is_some_and(|now| Rc::ptr_eq(&now, main))
    }

    /// The number of the launch that is or was the last.
    pub(super) fn life(&self) -> u64 {
        self.held().life
    }

    fn main(&self) -> Option<Rc<MainProcess>> {
        let held = self.held();
        held.declared.as_ref().or(held.main.as_ref()).cloned()
    }

    /// Takes another process of the service for its main process. When that one ends, the service
    /// has ended: what is left of it is killed unless it ends with it.
    ///
    /// # Errors
    /// ESRCH when it has ended, EMFILE.
    pub(super) fn declare_main(&self, shared: &Rc<Shared>, pid: u32) -> Result<(), Errno> {
        let pid = i32::try_from(pid).map_err(|_| Errno::ESRCH)?;
        if self
            .held()
            .main
            .as_ref()
            .is_some_and(|main| main.pid == pid)
        {
            self.held_mut().declared = None;
            return Ok(());
        }
        let pidfd = pidfd::open(pid)?;
        let main = Rc::new(MainProcess { pid, pidfd });
        self.held_mut().declared = Some(main.clone());
        crate::task::spawn(follow(shared.clone(), self.clone(), main));
        Ok(())
    }

    /// Who is still there after all was killed: `: dd (pid 80, D (disk sleep))`; empty when nobody is.
    #[must_use]
    pub fn left_over(&self) -> String {
        let held = self.held();
        let Some(cgroup) = &held.cgroup else {
            return String::new();
        };
        let text = fs::read_to_string(cgroup.path().join("cgroup.procs")).unwrap_or_default();
        let named: Vec<String> = text.lines().take(NAMED).filter_map(named).collect();
        match named.is_empty() {
            true => String::new(),
            false => format!(": {}", named.join(", ")),
        }
    }

    /// What the loop is to know of kills for want of memory that were not told yet.
    #[must_use]
    pub fn oom_event(&self) -> Option<Event> {
        let mut held = self.held_mut();
        let all = held.cgroup.as_ref()?.oom_kills();
        let new = all.saturating_sub(std::mem::replace(&mut held.oom_kills, all));
        (new > 0).then(|| Event::OomKilled {
            service: self.service.name.clone(),
            life: held.life,
            count: u32::try_from(new).unwrap_or(u32::MAX),
        })
    }

    /// Sends that to the loop.
    pub(super) fn tell_oom_kills(&self, shared: &Shared) {
        if let Some(event) = self.oom_event() {
            let _loop_never_ends = shared.events.send(LoopEvent::Supervisor(event));
        }
    }
}

/// A process by its name and what it does (proc_pid_status(5)).
fn named(pid: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |key: &str| {
        let mut lines = status.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(name, _)| *name == key)?;
        Some(value.trim())
    };
    Some(format!(
        "{} (pid {pid}, {})",
        field("Name")?,
        field("State")?
    ))
}

/// Waits for the end of a named main process.
async fn follow(shared: Rc<Shared>, unit: Unit, main: Rc<MainProcess>) {
    let Ok(pidfd) = watch(main.pidfd.as_fd(), Interest::READABLE) else {
        return;
    };
    let _ended = pidfd.readable().await;
    if !unit.is_main(&main) {
        return;
    }
    unit.held_mut().declared = None;
    let life = unit.life();
    // Its status is its parent's to know; who waited for it usually ends the same way.
    tokio::time::sleep(FOLLOW).await;
    if unit.life() == life
        && unit.main().is_some()
        && let Err(error) = unit.kill_cgroup()
    {
        let name = &unit.service.name;
        shared.report.warn(&format!("{name}: {error}"));
    }
}
