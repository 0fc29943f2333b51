//! QEMU's machine protocol: JSON lines over a socket (QEMU docs/interop/qmp-spec).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::session::Happening;

/// The writing end; what QEMU says arrives as [`Happening`]s.
pub(super) struct Qmp {
    stream: UnixStream,
}

impl Qmp {
    /// Takes over our end of the socket: reads on a thread of its own until QEMU is gone, and asks
    /// for the protocol's begin. [`Happening::QemuStarted`] comes when QEMU has answered.
    pub(super) fn start(stream: UnixStream, happenings: Sender<Happening>) -> Result<Self> {
        let reader = stream.try_clone().context("share the QMP socket")?;
        std::thread::Builder::new()
            .name("qmp".to_owned())
            .spawn(move || read(reader, &happenings))
            .context("start the QMP thread")?;
        let mut qmp = Self { stream };
        qmp.execute("qmp_capabilities")?;
        Ok(qmp)
    }

    /// Sends a command without arguments; its answer is not waited for.
    pub(super) fn execute(&mut self, command: &str) -> Result<()> {
        let line = format!("{}\n", json!({ "execute": command }));
        let sent = self.stream.write_all(line.as_bytes());
        sent.with_context(|| format!("send {command} to QEMU"))
    }
}

fn read(stream: UnixStream, happenings: &Sender<Happening>) {
    let mut started = false;
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let event = message.get("event").and_then(Value::as_str);
        let by_guest = message
            .pointer("/data/guest")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let happening = match event {
            Some("RESET") if by_guest => Happening::GuestReset,
            Some("VSERPORT_CHANGE") if closed_control(&message) => Happening::GatewayGone,
            Some("SHUTDOWN") => Happening::Shutdown { by_guest },
            None if message.get("return").is_some() && !started => {
                started = true;
                Happening::QemuStarted
            }
            _ => continue,
        };
        if happenings.send(happening).is_err() {
            return;
        }
    }
    // The socket's end is QEMU's end.
    let _ = happenings.send(Happening::QemuGone);
}

/// Whether the machine closed its end of the port `orlop.control`.
fn closed_control(message: &Value) -> bool {
    let data = |key| message.pointer(key);
    data("/data/id").and_then(Value::as_str) == Some("control")
        && data("/data/open").and_then(Value::as_bool) == Some(false)
}
