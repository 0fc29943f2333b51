//! Cutting a stream of bytes into messages.

/// The most bytes that a message may have: 1 MiB. Calls to PID 1 may have fewer.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// The other end sent more than the limit without ending the message; the connection is of no use
/// any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message of more than {limit} bytes")]
pub struct MessageTooLong {
    /// The limit in bytes.
    pub limit: usize,
}

/// Collects bytes and gives back whole messages, without their NUL.
#[derive(Debug)]
pub struct Messages {
    buffer: Vec<u8>,
    /// How many bytes at the front are known to hold no NUL.
    scanned: usize,
    limit: usize,
}

impl Messages {
    /// None yet; each may have `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            scanned: 0,
            limit,
        }
    }

    /// Takes in bytes that were read. Read in small pieces, and ask for messages in between.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, `None` while it is incomplete.
    ///
    /// # Errors
    /// When it is longer than the limit, finished or not.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, MessageTooLong> {
        let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
        let end = fresh.iter().position(|byte| *byte == 0);
        let length = end.map_or(self.buffer.len(), |at| self.scanned + at);
        if length > self.limit {
            return Err(MessageTooLong { limit: self.limit });
        }
        if end.is_none() {
            self.scanned = length;
            return Ok(None);
        }
        let rest = self.buffer.split_off(length + 1);
        let mut message = std::mem::replace(&mut self.buffer, rest);
        message.pop();
        self.scanned = 0;
        Ok(Some(message))
    }

    /// Whether nothing has come that is not yet given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_survive_any_cutting(
            sent in proptest::collection::vec(proptest::collection::vec(1u8.., 0..200), 0..10),
            cut in 1usize..50,
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(|m| m.iter().copied().chain([0])).collect();
            let mut messages = Messages::new(200);
            let mut got = Vec::new();
            for chunk in bytes.chunks(cut) {
                messages.push(chunk);
                while let Some(message) = messages.next_message().unwrap() {
                    got.push(message);
                }
            }
            prop_assert_eq!(got, sent);
            prop_assert!(messages.is_empty());
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_before_it_ends() {
        let mut messages = Messages::new(4);
        messages.push(b"1234");
        assert_eq!(messages.next_message(), Ok(None));
        messages.push(b"5");
        assert_eq!(messages.next_message(), Err(MessageTooLong { limit: 4 }));
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_when_it_ends() {
        let mut messages = Messages::new(4);
        messages.push(b"12345\0");
        assert_eq!(messages.next_message(), Err(MessageTooLong { limit: 4 }));
    }
}
