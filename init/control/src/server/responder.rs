//! The way back to a caller.

use tokio::sync::oneshot;

use super::Reply;
use crate::ControlError;

/// Answers one call, at any time later. Dropped without an answer, the connection is closed.
#[derive(Debug)]
pub struct Responder(oneshot::Sender<Result<Reply, ControlError>>);

impl Responder {
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<Reply, ControlError>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers. A caller that is gone is nobody's loss.
    pub fn answer(self, answer: Result<Reply, ControlError>) {
        drop(self.0.send(answer));
    }

    /// Answers well.
    pub fn ok(self, reply: Reply) {
        self.answer(Ok(reply));
    }

    /// Answers with an error.
    pub fn err(self, error: ControlError) {
        self.answer(Err(error));
    }

    /// Whether the caller has gone away.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
