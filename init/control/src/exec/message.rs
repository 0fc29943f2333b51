//! The streams of an exec between the workstation and the `gateway`, as messages of the connection
//! that the call was made over, between the first reply and the last.
//!
//! The bytes are Base64: a service's output that looks like the port's own frames cannot be taken for
//! one ([`crate::gateway`]). Who reads slowly holds up nobody else: of what was sent, no more than
//! [`WINDOW`] bytes a direction are still to be taken.

use serde::{Deserialize, Serialize};

/// The most bytes of output (both streams together), and of input, that were sent and not yet said to
/// be taken.
pub const WINDOW: usize = 128 * 1024;

/// One message, as `{"stdout":"aGVsbG8K"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecMessage {
    /// To the process; nothing in it is the end.
    Stdin(Base64),
    /// From the process.
    Stdout(Base64),
    /// From the process.
    Stderr(Base64),
    /// So many bytes of what the other side has sent have gone on their way.
    Taken(usize),
}

/// Bytes that are text on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Base64(pub Vec<u8>);

/// What is no Base64 (RFC 4648 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not Base64")]
pub struct NotBase64;

impl ExecMessage {
    /// The message as it travels, NUL included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Text and numbers have a JSON form always.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(0);
        bytes
    }

    /// The message of these bytes, without the NUL; `None` when it is something else, as the last
    /// reply is.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl TryFrom<String> for Base64 {
    type Error = NotBase64;

    fn try_from(text: String) -> Result<Self, NotBase64> {
        orlop_config::decode_base64(&text)
            .map(Self)
            .ok_or(NotBase64)
    }
}

impl From<Base64> for String {
    fn from(bytes: Base64) -> Self {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = Self::with_capacity(bytes.0.len().div_ceil(3) * 4);
        for group in bytes.0.chunks(3) {
            let padded = [0, 1, 2].map(|at| group.get(at).copied().unwrap_or(0));
            let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
            for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
                let digit = DIGITS.get((bits >> shift & 63) as usize);
                // A group of n bytes has n + 1 digits.
                text.push(char::from(
                    *digit.filter(|_| at <= group.len()).unwrap_or(&b'='),
                ));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_survive_the_wire(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let message = ExecMessage::Stderr(Base64(bytes));
            let wire = message.encode();
            let (end, text) = wire.split_last().unwrap();
            prop_assert_eq!(*end, 0);
            prop_assert!(!text.contains(&0));
            prop_assert_eq!(ExecMessage::decode(text), Some(message));
        }
    }

    #[test]
    fn messages_look_as_the_contract_says() {
        let message = ExecMessage::Stdout(Base64(b"hello\n".to_vec()));
        assert_eq!(message.encode(), b"{\"stdout\":\"aGVsbG8K\"}\0");
        assert_eq!(ExecMessage::Taken(5).encode(), b"{\"taken\":5}\0");
        assert_eq!(ExecMessage::decode(br#"{"parameters":{"code":0}}"#), None);
        assert_eq!(ExecMessage::decode(br#"{"stdout":"a"}"#), None);
    }
}
