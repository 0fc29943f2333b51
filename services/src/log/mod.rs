//! Applet `log`: keeps what services write, and shows it to who asks.
//!
//! PID 1 hands over the read ends of the services' pipes, notes about their states, and the
//! connections of those who call `io.orlop.services.Logs`, all over one passed socket. One thread,
//! one epoll loop; no reader and no writer holds up another; memory is bounded whatever they do.
//! Lines go to `/var/log/orlop/<service>.log` too when that folder is there.

mod archive;
mod file;
mod inlet;
mod ring;
mod run;
mod shelf;
mod splitter;
mod tap;
#[cfg(test)]
mod tests;

pub use run::{LogError, run};

/// Where files are kept when a volume is mounted there.
pub const LOG_FOLDER: &str = "/var/log/orlop";
