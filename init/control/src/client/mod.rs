//! The caller's side: blocking calls over any stream, in the machine and on the workstation.

mod methods;

pub use methods::Executing;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ControlError;
use crate::varlink::{MAX_MESSAGE, MessageTooLong, Messages, ReplyEnvelope, encode_call};

/// Why a call has no answer, or which error it was answered with.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or may not be asked.
    #[error("connect to {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The answer is an error.
    #[error(transparent)]
    Answer(ControlError),
    /// The answer is an error that this version does not know.
    #[error("the machine answers with {0}")]
    UnknownError(String),
    /// The connection broke while writing.
    #[error("send to the machine")]
    Write(#[source] io::Error),
    /// The connection broke while reading.
    #[error("receive from the machine")]
    Read(#[source] io::Error),
    /// The connection ended before the answer.
    #[error("the machine closed the connection")]
    Closed,
    /// The answer has no end.
    #[error("the machine answers with a {0}")]
    TooLong(#[source] MessageTooLong),
    /// The answer is not what the method answers.
    #[error("the machine's answer")]
    Decode(#[source] serde_json::Error),
    /// The parameters have no JSON form.
    #[error("the call's parameters")]
    Encode(#[source] serde_json::Error),
}

/// One connection. Calls are answered one after the other.
#[derive(Debug)]
pub struct Client<S> {
    stream: S,
    messages: Messages,
}

impl Client<UnixStream> {
    /// Connects to a control socket. `patience` bounds the wait for each piece of an answer; `None`
    /// waits as long as it takes, for a stop may take its whole grace period.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(path: &Path, patience: Option<Duration>) -> Result<Self, ClientError> {
        let connect = || {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(patience)?;
            stream.set_write_timeout(patience)?;
            Ok(stream)
        };
        let failed = |source| ClientError::Connect {
            path: path.to_owned(),
            source,
        };
        connect().map(Self::new).map_err(failed)
    }
}

impl<S: Read + Write> Client<S> {
    /// Speaks over a stream that is connected already.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            messages: Messages::new(MAX_MESSAGE),
        }
    }

    /// Calls a method that has one reply.
    ///
    /// # Errors
    /// Any [`ClientError`] but `Connect`.
    pub fn call<P: Serialize, R: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &P,
    ) -> Result<R, ClientError> {
        self.send(method, parameters, false)?;
        self.receive().map(|(reply, _continues)| reply)
    }

    /// Calls a method with many replies; [`Client::receive`] then gives one after the other.
    ///
    /// # Errors
    /// [`ClientError::Encode`] and [`ClientError::Write`].
    pub fn call_more<P: Serialize>(
        &mut self,
        method: &str,
        parameters: &P,
    ) -> Result<(), ClientError> {
        self.send(method, parameters, true)
    }

    /// The next reply, and whether more follow.
    ///
    /// # Errors
    /// Any [`ClientError`] but `Connect`, `Encode` and `Write`.
    pub fn receive<R: DeserializeOwned>(&mut self) -> Result<(R, bool), ClientError> {
        reply(&self.next_message()?)
    }

    /// What it speaks over.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    fn send<P: Serialize>(
        &mut self,
        method: &str,
        parameters: &P,
        more: bool,
    ) -> Result<(), ClientError> {
        let bytes = encode_call(method, parameters, more).map_err(ClientError::Encode)?;
        self.stream.write_all(&bytes).map_err(ClientError::Write)?;
        self.stream.flush().map_err(ClientError::Write)
    }

    fn next_message(&mut self) -> Result<Vec<u8>, ClientError> {
        loop {
            if let Some(message) = self.messages.next_message().map_err(ClientError::TooLong)? {
                return Ok(message);
            }
            let mut piece = [0; 8192];
            let length = match self.stream.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(ClientError::Read)?,
            };
            if length == 0 {
                return Err(ClientError::Closed);
            }
            self.messages.push(piece.get(..length).unwrap_or_default());
        }
    }
}

fn reply<R: DeserializeOwned>(message: &[u8]) -> Result<(R, bool), ClientError> {
    let envelope: ReplyEnvelope<'_> =
        serde_json::from_slice(message).map_err(ClientError::Decode)?;
    if let Some(name) = envelope.error {
        let error = serde_json::from_slice(message).map(ClientError::Answer);
        return Err(error.unwrap_or_else(|_| ClientError::UnknownError(name.into_owned())));
    }
    let text = envelope.parameters.map_or("{}", |value| value.get());
    let reply = serde_json::from_str(text).map_err(ClientError::Decode)?;
    Ok((reply, envelope.continues))
}
