//! A machine that runs under a test.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::event_log::{EventLog, Missed};
use crate::tool::Outcome;
use crate::trace::{self, Fact};
use crate::{Console, MachineBuilder, Witness, curl, orlop, qmp, spawner, tool, transcript};

/// Owns `orlop run`, which owns QEMU; ended when dropped.
#[derive(Debug)]
pub struct Vm {
    machine: MachineBuilder,
    run: Child,
    log: EventLog,
    ready: Value,
}

impl Vm {
    /// Starts a machine that has been built.
    pub(crate) fn start(machine: MachineBuilder) -> Result<Self> {
        let (run, log) = launch(&machine)?;
        let mut vm = Self {
            machine,
            run,
            log,
            ready: Value::Null,
        };
        vm.ready = vm.wait_event("ready", |event| text(event, "event") == "ready")?;
        Ok(vm)
    }

    /// Waits until the machine has ended and runs it again, with the state that it kept.
    ///
    /// # Errors
    /// When it did not end well or does not start.
    pub fn run_again(&mut self) -> Result<()> {
        let status = self.wait_exit()?;
        if status != 0 {
            bail!("the first run ended with {status}");
        }
        (self.run, self.log) = launch(&self.machine)?;
        self.ready = self.wait_event("ready", |event| text(event, "event") == "ready")?;
        Ok(())
    }

    /// A place in the stream of events, for [`Vm::wait_event_after`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.log.len()
    }

    /// The first event that `wanted` accepts, which may have come already.
    ///
    /// # Errors
    /// When the machine ends before, or nothing like it comes within [`crate::HANG_LIMIT`].
    pub fn wait_event(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.wait_event_after(0, what, wanted)
    }

    /// The first event after `mark` that `wanted` accepts.
    ///
    /// # Errors
    /// As [`Vm::wait_event`].
    pub fn wait_event_after(
        &self,
        mark: usize,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let find = |events: &[Value]| events.iter().find(|event| wanted(event)).cloned();
        self.log
            .wait(mark, find)
            .map_err(|missed| said(what, &missed))
    }

    /// Waits until the last that was said of `service` is `state`; gives that event.
    ///
    /// # Errors
    /// As [`Vm::wait_event`].
    pub fn wait_service(&self, service: &str, state: &str) -> Result<Value> {
        self.wait_service_after(0, service, state)
    }

    /// As [`Vm::wait_service`], by events after `mark` alone.
    ///
    /// # Errors
    /// As [`Vm::wait_event`].
    pub fn wait_service_after(&self, mark: usize, service: &str, state: &str) -> Result<Value> {
        let last = |events: &[Value]| {
            let of_it = |event: &&Value| {
                text(event, "event") == "service" && text(event, "service") == service
            };
            let event = events.iter().rev().find(of_it)?;
            (text(event, "state") == state).then(|| event.clone())
        };
        let what = format!("service {service} {state}");
        self.log
            .wait(mark, last)
            .map_err(|missed| said(&what, &missed))
    }

    /// Waits for the event `boot-complete`.
    ///
    /// # Errors
    /// As [`Vm::wait_event`].
    pub fn wait_boot(&self) -> Result<Value> {
        self.wait_event("boot-complete", |event| {
            text(event, "event") == "boot-complete"
        })
    }

    /// Waits for an address from DHCP, said after `mark`: from then on forwards lead somewhere.
    ///
    /// # Errors
    /// As [`Vm::wait_event`].
    pub fn wait_address_after(&self, mark: usize) -> Result<Value> {
        self.wait_event_after(mark, "an address", |event| {
            text(event, "event") == "network"
        })
    }

    /// Waits for the end of `orlop run` and gives its exit status.
    ///
    /// # Errors
    /// When it does not end within [`crate::HANG_LIMIT`].
    pub fn wait_exit(&mut self) -> Result<i32> {
        let exit = self.wait_event("exit", |event| text(event, "event") == "exit")?;
        let status = self.run.wait().context("wait for orlop run")?;
        if exit.get("status").and_then(Value::as_i64) != status.code().map(i64::from) {
            bail!("the exit event says {exit}, the process {status}");
        }
        Ok(status.code().unwrap_or(-1))
    }

    /// Reads a service's log from its begin until a line holds `end`; gives the lines before it.
    ///
    /// # Errors
    /// When the log ends before, or there is no such line within [`crate::HANG_LIMIT`].
    pub fn log_until(&self, service: &str, end: &str) -> Result<Vec<String>> {
        let mut command = spawner::mortal();
        command
            .arg(tool::path()?)
            .args(["-m", self.machine.name(), "logs", "-f", service])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut follow = spawner::spawn(command)?;
        let stdout = follow.stdout.take().context("take the log's stdout")?;
        let log = EventLog::read_text(stdout);
        let line = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found = log.wait(0, |lines| {
            let at = lines.iter().position(|l| line(l).contains(end))?;
            Some(lines.iter().take(at).map(line).collect::<Vec<_>>())
        });
        follow.kill().context("end orlop logs")?;
        follow.wait().context("wait for orlop logs")?;
        found.map_err(|missed| said(&format!("{end:?} in the log of {service}"), &missed))
    }

    /// Sends SIGTERM to `orlop run`, as a service's end or a closed session would.
    ///
    /// # Errors
    /// When it is gone.
    pub fn terminate(&self) -> Result<()> {
        let pid = i32::try_from(self.run.id()).context("the run's process id")?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("send SIGTERM to orlop run")
    }

    /// What a machine verb answers, such as `["ps", "--json"]`.
    ///
    /// # Errors
    /// When the tool cannot be started or ends with anything but 0.
    pub fn orlop(&self, arguments: &[&str]) -> Result<String> {
        let answer = self.orlop_outcome(arguments)?.success();
        answer.with_context(|| format!("orlop {}", arguments.join(" ")))
    }

    /// As [`Vm::orlop`], also for what is refused.
    ///
    /// # Errors
    /// When the tool cannot be started.
    pub fn orlop_outcome(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut all = vec!["-m", self.machine.name()];
        all.extend(arguments);
        orlop(&all)
    }

    /// Starts a machine verb whose streams are the test's, and does not wait for its end.
    ///
    /// # Errors
    /// When the tool cannot be started.
    pub fn begin(&self, arguments: &[&str]) -> Result<Child> {
        tool::command()?
            .args(["-m", self.machine.name()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start orlop")
    }

    /// `orlop ps --json`: `services`, and the machine's `notices`.
    ///
    /// # Errors
    /// As [`Vm::orlop`].
    pub fn listing(&self) -> Result<Value> {
        let said = self.orlop(&["ps", "--json"])?;
        serde_json::from_str(&said).context("read ps")
    }

    /// What `ps` says of all services now.
    ///
    /// # Errors
    /// As [`Vm::listing`].
    pub fn services(&self) -> Result<Vec<Value>> {
        let listing = self.listing()?;
        let services = listing.get("services").and_then(Value::as_array);
        services.cloned().context("ps lists no services")
    }

    /// What `ps` says of a service, once `wanted` accepts it: for what is no event.
    ///
    /// # Errors
    /// When it does not within [`crate::HANG_LIMIT`], with what it said instead.
    pub fn wait_ps(&self, service: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let limit = Instant::now() + crate::HANG_LIMIT;
        loop {
            let all = self.services()?;
            let info = all.iter().find(|info| text(info, "name") == service);
            match info {
                Some(info) if wanted(info) => return Ok(info.clone()),
                _ if Instant::now() >= limit => bail!("ps never said it of {service} but {all:?}"),
                // The machine tells nobody of what is no change of state.
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// What curl gets as JSON from a forwarded port, once `wanted` accepts it: for what comes to be in
    /// the container by itself.
    ///
    /// # Errors
    /// When it does not within [`crate::HANG_LIMIT`], with what it was instead.
    pub fn wait_answer(
        &self,
        port: u16,
        path: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let limit = Instant::now() + crate::HANG_LIMIT;
        loop {
            let said = curl(self.forward(port)?, path)?;
            let answer: Value = serde_json::from_str(&said).context("read the answer")?;
            if wanted(&answer) {
                return Ok(answer);
            }
            if Instant::now() >= limit {
                bail!("{path} of port {port} never said it but {said}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What `ps` says of a service now.
    ///
    /// # Errors
    /// As [`Vm::wait_ps`], when there is no such service.
    pub fn status(&self, service: &str) -> Result<Value> {
        self.wait_ps(service, |_| true)
    }

    /// Where among [`Vm::events`] a service first came to a state.
    ///
    /// # Errors
    /// When it never did, with all events.
    pub fn place(&self, service: &str, state: &str) -> Result<usize> {
        let events = self.events();
        let is_it =
            |event: &Value| text(event, "service") == service && text(event, "state") == state;
        let found = events.iter().position(is_it);
        found.with_context(|| format!("{service} {state} in {events:?}"))
    }

    /// The workstation's port that leads to `port` of the machine.
    ///
    /// # Errors
    /// When there is no such forward.
    pub fn forward(&self, port: u16) -> Result<u16> {
        let forwards = self.ready.get("forwards").and_then(Value::as_array);
        let found = forwards
            .into_iter()
            .flatten()
            .find(|forward| number(forward, "machine_port") == Some(port));
        let port_here = found.and_then(|forward| number(forward, "port"));
        port_here.with_context(|| format!("port {port} is not forwarded"))
    }

    /// A connection to the serial console.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn console(&self) -> Result<Console> {
        Console::connect(&self.ready_path("console")?)
    }

    /// All that the console has said since the run began.
    ///
    /// # Errors
    /// When there is no transcript.
    pub fn transcript(&self) -> Result<String> {
        let path = self.ready_path("transcript")?;
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What the console has said since the run began, once it has said `wanted`: an event of PID 1
    /// may be here before the console's line, which goes by the slow serial port.
    ///
    /// # Errors
    /// When it does not within [`crate::HANG_LIMIT`], with what it said instead.
    pub fn transcript_until(&self, wanted: &str) -> Result<String> {
        let limit = Instant::now() + crate::HANG_LIMIT;
        loop {
            let transcript = self.transcript()?;
            if transcript.contains(wanted) {
                return Ok(transcript);
            }
            if Instant::now() >= limit {
                bail!("the console never said {wanted:?} but {transcript}");
            }
            // A file tells nobody that it grew but by being read.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// One command for QEMU; gives its `return`.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn qmp(&self, command: &str, arguments: &Value) -> Result<Value> {
        qmp::execute(&self.ready_path("qmp")?, command, arguments)
    }

    /// The line to the process that [`MachineBuilder::witness`] has left in the machine; one at a time.
    ///
    /// # Errors
    /// When there is none, or QEMU is gone.
    pub fn witness(&self) -> Result<Witness> {
        self.machine.witness_place()?.connect()
    }

    /// What the kernel has said until now, in order; complete once the machine has ended.
    ///
    /// # Errors
    /// When there is no witness, or the kernel had more to say than its buffer holds.
    pub fn trace(&self) -> Result<Vec<Fact>> {
        let path = self.machine.witness_place()?.trace();
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        if let Some(line) = text.lines().find(|line| line.contains("[LOST ")) {
            bail!("the kernel's trace is not whole: {line}");
        }
        Ok(trace::parse(&text))
    }

    /// The machine's folder and name.
    #[must_use]
    pub fn machine(&self) -> &MachineBuilder {
        &self.machine
    }

    /// All events until now.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.log.all()
    }

    fn ready_path(&self, key: &str) -> Result<PathBuf> {
        let path = self
            .ready
            .get(key)
            .and_then(Value::as_str)
            .map(PathBuf::from);
        path.with_context(|| format!("`ready` names no {key}"))
    }

    /// Keeps the console and the events for whoever looks into a failure.
    pub(crate) fn keep_transcript(&self) {
        let name = std::thread::current().name().unwrap_or("test").to_owned();
        let console = self.ready_path("transcript").unwrap_or_default();
        let _ = transcript::keep(&name, &console, &self.log.all());
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_transcript();
        }
        let _ = self.run.kill();
        let _ = self.run.wait();
    }
}

fn launch(machine: &MachineBuilder) -> Result<(Child, EventLog)> {
    let mut command = spawner::mortal();
    command
        .arg(tool::path()?)
        .args(machine.run_arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut run = spawner::spawn(command)?;
    let stdout = run.stdout.take().context("take the run's stdout")?;
    Ok((run, EventLog::read(stdout)))
}

/// The text at `key`, empty when there is none.
fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> Option<u16> {
    let number = value.get(key).and_then(Value::as_u64)?;
    u16::try_from(number).ok()
}

fn said(what: &str, missed: &Missed) -> anyhow::Error {
    match missed {
        Missed::Ended => anyhow::anyhow!("the run ended before: {what}"),
        Missed::Hung => anyhow::anyhow!("hung: {what} never came"),
    }
}
