//! Varlink on the wire: JSON objects, each followed by one NUL (<https://varlink.org/Protocol>).

mod call;
mod message;

pub use call::{CallEnvelope, ReplyEnvelope, encode_call, encode_reply};
pub use message::{MAX_MESSAGE, MessageTooLong, Messages};
