//! A running QEMU and all that belongs to it, from its start to its end.
//!
//! Threads read (QMP, the machine's events, signals) and send [`Happening`]s; this one decides.
//! QEMU is killed by the kernel when the tool dies (PR_SET_PDEATHSIG), by [`Session`]'s drop when
//! it fails, and by a limit when a machine that was asked to power off does not.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::console_log::ConsoleLog;
use super::progress::Progress;
use super::qmp::Qmp;
use super::relay::Relay;

/// How long a machine may take to power off before it is killed. Longer than any service's default
/// grace period and what follows it.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(60);
/// How long a machine may take to answer its power button before it is pressed again.
const PRESS_AGAIN: Duration = Duration::from_secs(2);
/// The longest event that is read; what is longer ends the reading.
const LONGEST_EVENT: u64 = 256 * 1024;

/// What the threads report.
#[derive(Debug)]
pub(super) enum Happening {
    /// QEMU took its arguments and runs.
    QemuStarted,
    /// The guest reset the machine: a reboot, or a kernel that panicked.
    GuestReset,
    /// QEMU is about to end, by the guest's wish or another's.
    Shutdown {
        /// The guest powered off.
        by_guest: bool,
    },
    /// The machine's gateway closed its port: whoever waits for an answer gets none.
    GatewayGone,
    /// QEMU closed its sockets.
    QemuGone,
    /// One event of the machine.
    Machine(Value),
    /// A signal for the tool.
    Signal(i32),
}

/// The process and what is known of it.
pub(super) struct Session {
    pub(super) child: Child,
    pub(super) qmp: Qmp,
    pub(super) console: ConsoleLog,
    pub(super) progress: Progress,
    pub(super) relay: Relay,
    pub(super) happenings: Receiver<Happening>,
    /// Told once QEMU runs.
    pub(super) ready: Value,
}

impl Session {
    /// Waits for the end.
    ///
    /// # Errors
    /// When QEMU fails, when the guest's kernel panics, when the machine had to be killed.
    pub(super) fn run(mut self) -> Result<()> {
        let mut limit: Option<Instant> = None;
        // A machine that is still booting does not see its power button: it is pressed until the
        // machine says that it stops.
        let mut press: Option<Instant> = None;
        let mut failure: Option<String> = None;
        loop {
            if press.is_some_and(|at| at <= Instant::now()) {
                press = Some(Instant::now() + PRESS_AGAIN);
                // QEMU may be ending: that is a happening of its own.
                let _gone = self.qmp.execute("system_powerdown");
            }
            let happening = match self.next(press.or(limit)) {
                Ok(happening) => happening,
                Err(RecvTimeoutError::Timeout)
                    if limit.is_some_and(|limit| Instant::now() < limit) =>
                {
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => Happening::QemuGone,
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = POWER_OFF_LIMIT.as_secs();
                    failure = Some(format!(
                        "the machine did not power off within {seconds} s and was killed"
                    ));
                    (limit, press) = (None, None);
                    self.kill()?;
                    continue;
                }
            };
            match happening {
                Happening::QemuStarted => self.progress.tell(&self.ready),
                Happening::Machine(event) => {
                    if event.get("event").is_some_and(|word| word == "shutdown") {
                        press = None;
                    }
                    self.progress.tell(&event);
                }
                Happening::GuestReset => {
                    if let Some(line) = self.console.panic_since() {
                        failure = Some(format!("the guest's kernel panicked: {line}"));
                        self.kill()?;
                    }
                }
                Happening::Signal(signal) if limit.is_none() && failure.is_none() => {
                    let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
                    self.progress
                        .note(&format!("{name}: asking the machine to power off"));
                    limit = Some(Instant::now() + POWER_OFF_LIMIT);
                    press = Some(Instant::now());
                }
                Happening::Signal(_) => {
                    failure.get_or_insert("the machine was killed before it powered off".into());
                    self.kill()?;
                }
                Happening::GatewayGone => self.relay.gateway_gone(),
                Happening::Shutdown { by_guest } if !by_guest => {
                    self.progress
                        .note("QEMU ends without the guest's power-off");
                }
                Happening::Shutdown { .. } => {}
                Happening::QemuGone => break,
            }
        }
        let status = self.child.wait().context("wait for QEMU")?;
        if let Some(sentence) = failure {
            bail!("{sentence}");
        }
        if !status.success() {
            bail!("QEMU ended with {status}");
        }
        Ok(())
    }

    fn next(&self, until: Option<Instant>) -> Result<Happening, RecvTimeoutError> {
        match until {
            None => self.happenings.recv().map_err(RecvTimeoutError::from),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                self.happenings.recv_timeout(left)
            }
        }
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill().context("kill QEMU")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Both do nothing for a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the machine's events on a thread of its own. What is no JSON object is passed over: a
/// guest that died in the middle of a line leaves half of one.
pub(super) fn read_events(stream: UnixStream, happenings: Sender<Happening>) -> Result<()> {
    let read = move || {
        let mut lines = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            match lines
                .by_ref()
                .take(LONGEST_EVENT)
                .read_until(b'\n', &mut line)
            {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let event = serde_json::from_slice::<Value>(&line);
            if let Ok(event @ Value::Object(_)) = event
                && happenings.send(Happening::Machine(event)).is_err()
            {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("events".to_owned());
    thread.spawn(read).context("start the event thread")?;
    Ok(())
}

/// From now on SIGINT, SIGTERM and SIGHUP are happenings.
pub(super) fn read_signals(happenings: Sender<Happening>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
        .context("register for signals")?;
    let read = move || {
        for signal in signals.forever() {
            if happenings.send(Happening::Signal(signal)).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(read).context("start the signal thread")?;
    Ok(())
}

/// The last event of a run.
pub(super) fn exit_event(result: &Result<()>) -> Value {
    match result {
        Ok(()) => json!({"event": "exit", "status": 0}),
        Err(error) => json!({"event": "exit", "status": 1, "reason": format!("{error:#}")}),
    }
}
