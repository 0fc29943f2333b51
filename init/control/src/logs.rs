//! `io.orlop.services.Logs`, and what PID 1 and the `log` service say to one another.

use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsRequest {
    /// One service; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Go on with what is written from now on.
    #[serde(default)]
    pub follow: bool,
    /// The last so many lines; all that are kept when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// The service's standard output.
    Stdout,
    /// The service's standard error.
    Stderr,
    /// Orlop itself, about the service.
    Note,
}

impl LogStream {
    /// The name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Note => "note",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Whose.
    pub service: String,
    /// Where from.
    pub stream: LogStream,
    /// When it was read: CLOCK_REALTIME, microseconds.
    pub time_us: u64,
    /// Without its newline; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// One message of PID 1 to `log`, over the passed socket `log` (SOCK_SEQPACKET).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogMessage {
    /// Comes with the read end of a service's pipe.
    Stream {
        /// Whose.
        service: String,
        /// `stdout` or `stderr`.
        stream: LogStream,
    },
    /// A line about the service, such as `exited with code 1`. What its pipes hold was before it.
    Note {
        /// Whose.
        service: String,
        /// The line.
        text: String,
    },
    /// PID 1 emptied a pipe while `log` was away.
    Dropped {
        /// Whose.
        service: String,
        /// How many bytes are lost.
        bytes: u64,
    },
    /// Comes with the connection of someone who called `io.orlop.services.Logs`.
    Read {
        /// The call.
        request: LogsCall,
    },
}

/// The varlink call, as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogsCall {
    /// `io.orlop.services.Logs`.
    pub method: String,
    /// What is asked for.
    #[serde(default)]
    pub parameters: LogsRequest,
    /// Whether the client takes a stream of replies.
    #[serde(default)]
    pub more: bool,
}

impl LogMessage {
    /// The message as it travels: JSON, no terminator.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The message in one packet.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_look_as_the_contract_says() {
        let messages = [
            r#"{"stream":{"service":"web","stream":"stdout"}}"#,
            r#"{"note":{"service":"web","text":"exited with code 1"}}"#,
            r#"{"dropped":{"service":"web","bytes":4096}}"#,
            r#"{"read":{"request":{"method":"io.orlop.services.Logs","parameters":{"follow":true,"lines":3},"more":true}}}"#,
        ];
        for text in messages {
            let message = LogMessage::decode(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(message.encode()).unwrap(), text);
        }
    }
}
