//! A message becomes a checked request. Pure.

use orlop_config::Signal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Access, Call};
use crate::interfaces::{InterfaceDescription, ServiceDescription};
use crate::varlink::{CallEnvelope, encode_reply};
use crate::{ControlError, ExecRequest, LogsCall, LogsRequest, Method};

/// What a message asks for.
#[derive(Debug)]
pub(super) enum Request {
    /// Known here: the reply's bytes.
    Answered(Vec<u8>),
    /// For the loop.
    Call(Call),
    /// For the loop, together with the connection.
    Logs(LogsCall),
    /// Likewise.
    Exec(ExecRequest),
}

/// The request, and whether its caller wants no reply.
pub(super) struct Parsed {
    pub(super) request: Result<Request, ControlError>,
    pub(super) oneway: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Together {
    name: String,
    #[serde(default)]
    others: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KillParameters {
    name: String,
    signal: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InterfaceParameters {
    interface: String,
}

/// Parses a message and checks that its caller may.
pub(super) fn parse(message: &[u8], access: &Access) -> Parsed {
    match serde_json::from_slice::<CallEnvelope<'_>>(message) {
        Ok(envelope) => Parsed {
            request: request(&envelope, access),
            oneway: envelope.oneway,
        },
        Err(error) => Parsed {
            request: Err(invalid(&error)),
            oneway: false,
        },
    }
}

fn request(envelope: &CallEnvelope<'_>, access: &Access) -> Result<Request, ControlError> {
    let name = envelope.method.as_ref();
    if let Some(method) = name.strip_prefix("org.varlink.service.") {
        return about_service(method, envelope);
    }
    let method = Method::from_name(name).ok_or_else(|| method_not_found(name))?;
    access.check(method)?;
    let parameters = envelope.parameters;
    Ok(Request::Call(match method {
        Method::List => nothing(parameters, Call::List)?,
        Method::Boot => nothing(parameters, Call::Boot)?,
        Method::Start => Call::Start {
            names: together(parameters)?,
        },
        Method::Stop => Call::Stop {
            names: together(parameters)?,
        },
        Method::Restart => Call::Restart {
            names: together(parameters)?,
        },
        Method::Kill => kill(parameters)?,
        Method::Exec => return exec(envelope),
        Method::Logs => return logs(envelope),
        Method::Info => nothing(parameters, Call::Info)?,
        Method::Booted => nothing(parameters, Call::Booted)?,
        Method::PowerOff => nothing(parameters, Call::PowerOff)?,
        Method::Reboot => nothing(parameters, Call::Reboot)?,
        Method::Halt => nothing(parameters, Call::Halt)?,
        Method::Lease => Call::Lease(read(parameters)?),
        Method::Adjust => Call::Adjust(read(parameters)?),
    }))
}

fn about_service(method: &str, envelope: &CallEnvelope<'_>) -> Result<Request, ControlError> {
    let bytes = match method {
        "GetInfo" => encode_reply(&ServiceDescription::new(), false),
        "GetInterfaceDescription" => {
            let InterfaceParameters { interface } = read(envelope.parameters)?;
            let description = InterfaceDescription::of(&interface)
                .ok_or(ControlError::InterfaceNotFound { interface })?;
            encode_reply(&description, false)
        }
        _ => return Err(method_not_found(&envelope.method)),
    };
    bytes.map(Request::Answered).map_err(|e| invalid(&e))
}

fn kill(parameters: Option<&RawValue>) -> Result<Call, ControlError> {
    let KillParameters { name, signal } = read(parameters)?;
    let signal = Signal::parse(&signal).map_err(|why| ControlError::InvalidParameter {
        parameter: format!("signal: {why}"),
    })?;
    Ok(Call::Kill { name, signal })
}

fn exec(envelope: &CallEnvelope<'_>) -> Result<Request, ControlError> {
    let request = read(envelope.parameters)?;
    match envelope.more {
        true => Ok(Request::Exec(request)),
        false => Err(ControlError::ExpectedMore {}),
    }
}

fn logs(envelope: &CallEnvelope<'_>) -> Result<Request, ControlError> {
    let parameters: LogsRequest = read(envelope.parameters)?;
    if !envelope.more {
        return Err(ControlError::ExpectedMore {});
    }
    Ok(Request::Logs(LogsCall {
        method: Method::Logs.name().to_owned(),
        parameters,
        more: envelope.more,
    }))
}

fn nothing(parameters: Option<&RawValue>, call: Call) -> Result<Call, ControlError> {
    read::<Nothing>(parameters).map(|Nothing {}| call)
}

fn together(parameters: Option<&RawValue>) -> Result<Vec<String>, ControlError> {
    let Together { name, mut others } = read(parameters)?;
    others.insert(0, name);
    Ok(others)
}

fn read<'a, T: Deserialize<'a>>(parameters: Option<&'a RawValue>) -> Result<T, ControlError> {
    let text = parameters.map_or("{}", RawValue::get);
    serde_json::from_str(text).map_err(|e| invalid(&e))
}

fn method_not_found(name: &str) -> ControlError {
    ControlError::MethodNotFound {
        method: name.to_owned(),
    }
}

/// serde's sentence names the parameter; it is the client's own text, and bounded as that is.
fn invalid(error: &serde_json::Error) -> ControlError {
    ControlError::InvalidParameter {
        parameter: error.to_string(),
    }
}
