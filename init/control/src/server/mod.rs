//! PID 1's side: an accept loop a listener, a task a connection, checked calls to the loop.
//!
//! Bytes of clients end here: what reaches the loop is typed, in range and granted. A client that is
//! slow, silent or wrong costs its own connection and nothing else.

mod access;
mod call;
mod connection;
mod listen;
mod request;
mod responder;
#[cfg(test)]
mod tests;

pub use access::{Access, Caller};
pub use call::{Call, HandOver, Incoming, Reply};
pub use listen::serve;
pub use responder::Responder;
