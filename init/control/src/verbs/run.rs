//! A verb is done over a connection.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use serde::Serialize;

use super::{BootForm, EXIT_DONE, EXIT_FAILED, Screen, Verb};
use super::{boot, table};
use crate::client::{Client, ClientError};
use crate::{ControlError, ExecRequest, Exit, LogLine, LogStream, LogsRequest, Method};

/// How a verb ended.
#[derive(Debug)]
pub struct Outcome {
    /// [`EXIT_DONE`] or [`EXIT_FAILED`]; that of the process for `exec`.
    pub status: u8,
    /// What to tell on standard error, one error a line: print its chain.
    pub errors: Vec<VerbError>,
}

/// Why a verb, or its part for one service, failed.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// The call.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// Standard input.
    #[error("read the input")]
    Input(#[source] io::Error),
    /// The streams of an `exec`.
    #[error("pass the process's streams on")]
    Streams(#[source] io::Error),
    /// Standard output, for another reason than that its reader has left.
    #[error("write the output")]
    Output(#[source] io::Error),
    /// The output has no JSON form.
    #[error("write JSON")]
    Json(#[source] serde_json::Error),
}

impl VerbError {
    /// The error and its causes in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        table::escape(&text)
    }
}

/// Does what the verb says; `connect` makes the connection. `exec` is done by who knows how the
/// streams travel, and says how the process ended. `screen` is what `out` leads to.
pub fn run<S: Read + Write>(
    verb: &Verb,
    connect: impl FnOnce() -> Result<Client<S>, ClientError>,
    exec: impl FnOnce(Client<S>, &ExecRequest) -> Result<Exit, VerbError>,
    out: &mut dyn Write,
    screen: Screen,
) -> Outcome {
    let mut client = match connect() {
        Ok(client) => client,
        Err(error) => return outcome(vec![error.into()]),
    };
    match verb {
        Verb::Ps { json } => finish(ps(&mut client, *json, out)),
        Verb::Logs { request, json } => finish(logs(client, request, *json, out)),
        Verb::Boot(form) => finish(boot(&mut client, *form, out, screen)),
        Verb::Service { method, names } => {
            finish(client.services(*method, names).map_err(VerbError::from))
        }
        Verb::Kill { signal, names } => each(names, |name| client.kill(name, signal)),
        Verb::Exec { request } => executed(exec(client, request)),
        Verb::Machine { method } => finish(machine(&mut client, *method)),
    }
}

/// One service after the other; what fails for one is tried for the next.
fn each(names: &[String], mut call: impl FnMut(&str) -> Result<(), ClientError>) -> Outcome {
    let mut errors = Vec::new();
    for name in names {
        match call(name) {
            Ok(()) => {}
            Err(error @ ClientError::Answer(_)) => errors.push(error.into()),
            // Nothing more can be asked over this connection.
            Err(error) => {
                errors.push(error.into());
                break;
            }
        }
    }
    outcome(errors)
}

fn ps<S: Read + Write>(
    client: &mut Client<S>,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), VerbError> {
    let list = client.list()?;
    let text = if json {
        format!("{}\n", json_of(&list)?)
    } else {
        table::listing(&list)
    };
    out.write_all(text.as_bytes()).map_err(VerbError::Output)
}

fn json_of(shown: &(impl Serialize + ?Sized)) -> Result<String, VerbError> {
    serde_json::to_string_pretty(shown).map_err(VerbError::Json)
}

fn boot<S: Read + Write>(
    client: &mut Client<S>,
    form: BootForm,
    out: &mut dyn Write,
    screen: Screen,
) -> Result<(), VerbError> {
    let times = client.boot()?;
    let text = match form {
        BootForm::Json => format!("{}\n", json_of(&boot::Report::new(&times))?),
        BootForm::Svg => boot::svg(&boot::Chart::new(&times)),
        BootForm::Text => boot::text(&boot::Chart::new(&times), screen),
    };
    out.write_all(text.as_bytes()).map_err(VerbError::Output)
}

fn logs<S: Read + Write>(
    client: Client<S>,
    request: &LogsRequest,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), VerbError> {
    let mut failed = None;
    let all = request.name.is_none();
    client.logs(request, |line| {
        let written = line_text(&line, all, json).and_then(|text| {
            let write = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            write.map_err(VerbError::Output)
        });
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(()), Err)
}

fn line_text(line: &LogLine, all: bool, json: bool) -> Result<String, VerbError> {
    if json {
        let text = serde_json::to_string(line).map_err(VerbError::Json)?;
        return Ok(format!("{text}\n"));
    }
    let text = table::escape(&line.text);
    let text = match line.stream {
        LogStream::Note => format!("-- {text} --"),
        LogStream::Stdout | LogStream::Stderr => text,
    };
    Ok(match all {
        true => format!("{:<10} | {text}\n", table::escape(&line.service)),
        false => format!("{text}\n"),
    })
}

fn machine<S: Read + Write>(client: &mut Client<S>, method: Method) -> Result<(), VerbError> {
    match client.machine(method) {
        // The machine may be gone before its answer is through.
        Err(ClientError::Closed | ClientError::Read(_)) => Ok(()),
        result => Ok(result?),
    }
}

/// The process's own status, or what a shell would exit with in its place.
fn executed(result: Result<Exit, VerbError>) -> Outcome {
    let status = match &result {
        Ok(Exit::Code(code)) => *code,
        Ok(Exit::Signal(signal)) => signal.saturating_add(128),
        Err(VerbError::Call(ClientError::Answer(ControlError::NotExecuted { code, .. }))) => {
            (*code).into()
        }
        Err(_) => return finish(result.map(drop)),
    };
    Outcome {
        status: u8::try_from(status).unwrap_or(EXIT_FAILED),
        errors: result.err().into_iter().collect(),
    }
}

fn finish(result: Result<(), VerbError>) -> Outcome {
    match result {
        Ok(()) => outcome(Vec::new()),
        // `orlop logs | head` is no failure.
        Err(VerbError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            outcome(Vec::new())
        }
        Err(error) => outcome(vec![error]),
    }
}

fn outcome(errors: Vec<VerbError>) -> Outcome {
    let status = if errors.is_empty() {
        EXIT_DONE
    } else {
        EXIT_FAILED
    };
    Outcome { status, errors }
}
