//! What a channel's calls ask for: whether descriptors may come back. Pure.
//!
//! PID 1 hands the connection of `Logs` to the service that keeps the logs; what that one sends is
//! shown, and makes nothing of the channel.

use orlop_control::Method;
use orlop_control::varlink::{CallEnvelope, Messages};

/// The longest call (docs/architecture.md).
const MAX_CALL: usize = 16 * 1024;

/// The calls of one channel so far.
#[derive(Debug)]
pub(super) struct Calls {
    messages: Messages,
    expects: Expects,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// Answers in words.
    Words,
    /// The streams of an exec.
    Streams,
    /// Nothing more from PID 1 itself, or nothing that it would answer.
    Nothing,
}

impl Calls {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            messages: Messages::new(MAX_CALL),
            expects: Expects::Words,
        }
    }

    /// The workstation has sent this.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if self.expects == Expects::Nothing {
            return;
        }
        self.messages.push(bytes);
        loop {
            self.expects = match self.messages.next_message() {
                Ok(None) => return,
                Ok(Some(call)) => match serde_json::from_slice::<CallEnvelope<'_>>(&call) {
                    Ok(call) if call.method == Method::Exec.name() => Expects::Streams,
                    Ok(call) if call.method != Method::Logs.name() => continue,
                    _ => Expects::Nothing,
                },
                Err(_) => Expects::Nothing,
            };
            if self.expects == Expects::Nothing {
                return;
            }
        }
    }

    /// Whether descriptors that come along are those of an exec.
    pub(super) fn expect_streams(&self) -> bool {
        self.expects == Expects::Streams
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expects(calls: &[&str]) -> bool {
        let mut all = Calls::new();
        for call in calls {
            all.sent(call.as_bytes());
        }
        all.expect_streams()
    }

    #[test]
    fn an_exec_brings_streams_and_nothing_else_does() {
        let exec = "{\"method\":\"io.orlop.services.Exec\",\"parameters\":{},\"more\":true}\0";
        let logs = "{\"method\":\"io.orlop.services.Logs\",\"parameters\":{},\"more\":true}\0";
        let list = "{\"method\":\"io.orlop.services.List\"}\0";
        let (head, tail) = exec.split_at(20);
        assert!(expects(&[exec]) && expects(&[list, head, tail]));
        assert!(!expects(&[]) && !expects(&[list]) && !expects(&[head]));
        // Once the connection is the log's, nobody else's words come over it.
        assert!(!expects(&[logs]) && !expects(&[logs, exec]) && !expects(&[exec, logs]));
        assert!(!expects(&["no call\0", exec]));
        assert!(!expects(&["x".repeat(MAX_CALL + 1).as_str(), "\0", exec]));
    }
}
