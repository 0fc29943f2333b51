//! The interface's methods as functions.

use std::io::{Read, Write};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{Client, ClientError};
use crate::{
    BootTimes, ExecMessage, ExecRequest, Exit, Lease, Listing, LogLine, LogsRequest, MachineInfo,
    Method, TimeAdjustment,
};

#[derive(Serialize, Deserialize)]
struct Nothing {}

#[derive(Serialize)]
struct Together<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    others: &'a [String],
}

#[derive(Serialize)]
struct KillParameters<'a> {
    name: &'a str,
    signal: &'a str,
}

/// The last reply of `Logs` carries no line.
#[derive(Deserialize)]
struct MaybeLine {
    #[serde(default)]
    service: Option<String>,
    #[serde(default)]
    stream: Option<crate::LogStream>,
    #[serde(default)]
    time_us: u64,
    #[serde(default)]
    text: String,
}

/// What comes over the connection of an exec after its first reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Executing {
    /// Of its streams; over the gateway only, in the machine they are descriptors.
    Message(ExecMessage),
    /// How it ended: nothing comes after it.
    Ended(Exit),
}

impl<S: Read + Write> Client<S> {
    /// All services, and what stands against the machine.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn list(&mut self) -> Result<Listing, ClientError> {
        self.call(Method::List.name(), &Nothing {})
    }

    /// When what of the last boot began and ended.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn boot(&mut self) -> Result<BootTimes, ClientError> {
        self.call(Method::Boot.name(), &Nothing {})
    }

    /// `Start`, `Stop` or `Restart` of these services together, in the order that their dependencies
    /// ask for; returns when it came to be.
    ///
    /// # Errors
    /// As [`Client::call`]; of several that fail, the first one's.
    pub fn services(&mut self, method: Method, names: &[String]) -> Result<(), ClientError> {
        let (name, others) = names
            .split_first()
            .map_or(("", names), |(name, others)| (name.as_str(), others));
        let Nothing {} = self.call(method.name(), &Together { name, others })?;
        Ok(())
    }

    /// Sends a signal (`SIGHUP`, `HUP` or `1`) to a service's main process.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn kill(&mut self, name: &str, signal: &str) -> Result<(), ClientError> {
        let parameters = KillParameters { name, signal };
        let Nothing {} = self.call(Method::Kill.name(), &parameters)?;
        Ok(())
    }

    /// About the machine.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn info(&mut self) -> Result<MachineInfo, ClientError> {
        self.call(Method::Info.name(), &Nothing {})
    }

    /// `Booted`, returns when the boot is complete; `PowerOff`, `Reboot` or `Halt`, returns when it has
    /// begun.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn machine(&mut self, method: Method) -> Result<(), ClientError> {
        let Nothing {} = self.call(method.name(), &Nothing {})?;
        Ok(())
    }

    /// Asks PID 1 to configure a lease, or to forget it; returns when it has.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn lease(&mut self, lease: &Lease) -> Result<(), ClientError> {
        let Nothing {} = self.call(Method::Lease.name(), lease)?;
        Ok(())
    }

    /// Starts a process in a service; returns when its program runs. [`Client::executing`] gives the
    /// rest.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn exec(&mut self, request: &ExecRequest) -> Result<(), ClientError> {
        self.call_more(Method::Exec.name(), request)?;
        let (Nothing {}, _continues) = self.receive()?;
        Ok(())
    }

    /// What comes next of an exec.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn executing(&mut self) -> Result<Executing, ClientError> {
        let message = self.next_message()?;
        match ExecMessage::decode(&message) {
            Some(message) => Ok(Executing::Message(message)),
            None => super::reply(&message).map(|(exit, _continues)| Executing::Ended(exit)),
        }
    }

    /// Asks PID 1 to set the clock right; returns when it has, or does so little by little.
    ///
    /// # Errors
    /// As [`Client::call`]; `InvalidParameter` when PID 1 does not believe it.
    pub fn adjust(&mut self, adjustment: TimeAdjustment) -> Result<(), ClientError> {
        let Nothing {} = self.call(Method::Adjust.name(), &adjustment)?;
        Ok(())
    }

    /// Reads what services wrote, until the end or until `each` breaks. The connection is of no use
    /// afterwards.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn logs(
        mut self,
        request: &LogsRequest,
        mut each: impl FnMut(LogLine) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        self.call_more(Method::Logs.name(), request)?;
        loop {
            let (line, continues) = self.receive::<MaybeLine>()?;
            if let (Some(service), Some(stream)) = (line.service, line.stream) {
                let (time_us, text) = (line.time_us, line.text);
                let line = LogLine {
                    service,
                    stream,
                    time_us,
                    text,
                };
                if each(line).is_break() {
                    return Ok(());
                }
            }
            if !continues {
                return Ok(());
            }
        }
    }
}
