//! The interface's methods as functions.

use std::io::{Read, Write};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{Client, ClientError};
use crate::{Lease, LogLine, LogsRequest, MachineInfo, Method, ServiceInfo};

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

#[derive(Deserialize)]
struct Services {
    services: Vec<ServiceInfo>,
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

impl<S: Read + Write> Client<S> {
    /// All services.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn list(&mut self) -> Result<Vec<ServiceInfo>, ClientError> {
        let reply: Services = self.call(Method::List.name(), &Nothing {})?;
        Ok(reply.services)
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
