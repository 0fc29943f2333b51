//! Where services' output goes: two pipes a service, their reading ends in the hands of the `log`
//! service. No byte of it passes through PID 1.
//!
//! PID 1 keeps both ends of each pipe, so that a restart of either side loses nothing. While nobody
//! holds the grant `log.streams`, a pipe that is three quarters full is spliced to /dev/null and
//! the bytes are counted: a service never blocks on its log (edge case 42).

mod broker;
mod pipes;
#[cfg(test)]
mod tests;

pub use broker::{LogBroker, LogMessage, start};
pub(crate) use pipes::pipe_of;
pub use pipes::{Pipes, Stream};
