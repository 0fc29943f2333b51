//! What the loop gets.

use std::io::Write;
use std::os::unix::net::UnixStream;

use orlop_config::Signal;
use serde::Serialize;

use super::{Caller, Responder};
use crate::{
    BootTimes, ControlError, ExecRequest, Lease, Listing, LogsCall, MachineInfo, TimeAdjustment,
};

/// A checked call. Names are as the caller wrote them: whether there is such a service is the
/// loop's to say.
#[derive(Debug)]
pub enum Call {
    /// Answer with [`Reply::List`].
    List,
    /// Answer with [`Reply::Boot`].
    Boot,
    /// Answer [`Reply::Done`] when the services run.
    Start {
        /// Which; at least one.
        names: Vec<String>,
    },
    /// Answer [`Reply::Done`] when the services are down.
    Stop {
        /// Which; at least one.
        names: Vec<String>,
    },
    /// Answer [`Reply::Done`] when the services run again.
    Restart {
        /// Which; at least one.
        names: Vec<String>,
    },
    /// Answer [`Reply::Done`] when the signal is sent.
    Kill {
        /// Which.
        name: String,
        /// What to send to its main process.
        signal: Signal,
    },
    /// Start the process and answer over the connection; the responder of this call answers nobody,
    /// and is kept until the process has ended: until then the connection counts.
    Exec(HandOver<ExecRequest>),
    /// Pass the connection on to `log`; the responder of this call answers nobody.
    Logs(HandOver<LogsCall>),
    /// Answer with [`Reply::Info`].
    Info,
    /// Answer [`Reply::Done`] when the boot is complete.
    Booted,
    /// Answer [`Reply::Done`] when the shutdown has begun.
    PowerOff,
    /// Answer [`Reply::Done`] when the shutdown has begun.
    Reboot,
    /// Answer [`Reply::Done`] when the shutdown has begun.
    Halt,
    /// Answer [`Reply::Done`] when the lease is configured.
    Lease(Lease),
    /// Answer [`Reply::Done`] when the clock is set, or is being set.
    Adjust(TimeAdjustment),
}

/// One call with the way to answer it.
#[derive(Debug)]
pub struct Incoming {
    /// What.
    pub call: Call,
    /// Who.
    pub caller: Caller,
    /// Where the answer goes.
    pub reply: Responder,
}

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// It came to be.
    Done {},
    /// All services.
    List(Listing),
    /// The machine.
    Info(MachineInfo),
    /// The last boot.
    Boot(BootTimes),
}

/// A connection that leaves the server: nothing has been read beyond the call, and nobody else
/// holds it. It does not block.
#[derive(Debug)]
pub struct HandOver<R> {
    /// What is asked for; a [`LogsCall`] is sent along in [`crate::LogMessage::Read`].
    pub request: R,
    /// The client.
    pub stream: UnixStream,
}

impl<R> HandOver<R> {
    /// Answers with an error and closes the connection.
    ///
    /// # Errors
    /// When the client is gone, or its buffer is too full for this one message.
    pub fn refuse(mut self, error: &ControlError) -> std::io::Result<()> {
        self.stream.write_all(&error.encode())
    }
}
