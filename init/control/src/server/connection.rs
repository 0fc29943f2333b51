//! One client, from its first byte to its last.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{error::Elapsed, timeout};

use super::request::{Parsed, Request, parse};
use super::{Access, Call, HandOver, Incoming, Responder};
use crate::ControlError;
use crate::varlink::{MessageTooLong, Messages, encode_reply};

/// Calls to PID 1 are short; what a client may make it keep is bounded by this times its
/// connections.
pub(super) const MAX_CALL: usize = 16 * 1024;
/// How long a client may take from the end of one call to the end of the next.
const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// How long a client may take to make room for a reply.
const REPLY_DEADLINE: Duration = Duration::from_secs(10);

/// Why a conversation ended, besides the client's own wish.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("read")]
    Read(#[source] io::Error),
    #[error("write")]
    Write(#[source] io::Error),
    #[error("peer credentials")]
    Peer(#[source] io::Error),
    #[error("peer has uid {0}")]
    Stranger(u32),
    #[error("deadline")]
    Deadline(#[source] Elapsed),
    #[error(transparent)]
    TooLong(MessageTooLong),
    #[error("hand over")]
    HandOver(#[source] io::Error),
    #[error("reply")]
    Encode(#[source] serde_json::Error),
    #[error("call without an answer")]
    NoAnswer,
}

/// Answers calls until the client leaves or breaks a rule.
pub(super) async fn converse(
    mut stream: UnixStream,
    access: &Access,
    calls: &mpsc::Sender<Incoming>,
) -> Result<(), ConnectionError> {
    let uid = stream.peer_cred().map_err(ConnectionError::Peer)?.uid();
    if !access.knows(uid) {
        return Err(ConnectionError::Stranger(uid));
    }
    let mut messages = Messages::new(MAX_CALL);
    loop {
        let next = timeout(CALL_DEADLINE, next_call(&mut stream, &mut messages));
        let message = match next.await.map_err(ConnectionError::Deadline)? {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(ConnectionError::TooLong(error)) => {
                let parameter = error.to_string();
                let refusal = ControlError::InvalidParameter { parameter };
                write(&mut stream, &refusal.encode()).await?;
                return Err(ConnectionError::TooLong(error));
            }
            Err(error) => return Err(error),
        };
        let Parsed { request, oneway } = parse(&message, access);
        let reply = match request {
            Ok(Request::Answered(bytes)) => bytes,
            Ok(Request::Call(call)) => ask(call, access, calls).await?,
            Ok(Request::Logs(call)) if messages.is_empty() => {
                return hand_over(stream, call, Call::Logs, access, calls)
                    .await
                    .map(drop);
            }
            Ok(Request::Exec(request)) if messages.is_empty() => {
                let over = hand_over(stream, request, Call::Exec, access, calls).await?;
                // Nobody answers: it counts as a connection until its end.
                let _dropped = over.await;
                return Ok(());
            }
            // The next reader of the connection would miss what has been read already.
            Ok(Request::Logs(_) | Request::Exec(_)) => ControlError::InvalidParameter {
                parameter: "a call after Logs or Exec".to_owned(),
            }
            .encode(),
            Err(error) => error.encode(),
        };
        if !oneway {
            write(&mut stream, &reply).await?;
        }
    }
}

async fn ask(
    call: Call,
    access: &Access,
    calls: &mpsc::Sender<Incoming>,
) -> Result<Vec<u8>, ConnectionError> {
    let (reply, answer) = Responder::new();
    let caller = access.caller.clone();
    let incoming = Incoming {
        call,
        caller,
        reply,
    };
    if calls.send(incoming).await.is_err() {
        return Ok(ControlError::ShuttingDown {}.encode());
    }
    // No deadline: a stop may take its whole grace period, and the loop has deadlines of its own.
    match answer.await.map_err(|_| ConnectionError::NoAnswer)? {
        Ok(reply) => encode_reply(&reply, false).map_err(ConnectionError::Encode),
        Err(error) => Ok(error.encode()),
    }
}

/// Gives the connection away; what is returned ends when the loop lets go of the call.
async fn hand_over<R>(
    stream: UnixStream,
    request: R,
    call: impl FnOnce(HandOver<R>) -> Call,
    access: &Access,
    calls: &mpsc::Sender<Incoming>,
) -> Result<impl Future, ConnectionError> {
    let stream = stream.into_std().map_err(ConnectionError::HandOver)?;
    let (reply, answer) = Responder::new();
    let incoming = Incoming {
        call: call(HandOver { request, stream }),
        caller: access.caller.clone(),
        reply,
    };
    let sent = calls.send(incoming).await;
    sent.map_err(|_| ConnectionError::NoAnswer)?;
    Ok(answer)
}

async fn next_call(
    stream: &mut UnixStream,
    messages: &mut Messages,
) -> Result<Option<Vec<u8>>, ConnectionError> {
    loop {
        if let Some(message) = messages.next_message().map_err(ConnectionError::TooLong)? {
            return Ok(Some(message));
        }
        let mut piece = [0; 4096];
        let length = stream
            .read(&mut piece)
            .await
            .map_err(ConnectionError::Read)?;
        if length == 0 {
            return Ok(None);
        }
        messages.push(piece.get(..length).unwrap_or_default());
    }
}

async fn write(stream: &mut UnixStream, bytes: &[u8]) -> Result<(), ConnectionError> {
    timeout(REPLY_DEADLINE, stream.write_all(bytes))
        .await
        .map_err(ConnectionError::Deadline)?
        .map_err(ConnectionError::Write)
}
