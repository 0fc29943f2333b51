//! sd_notify(3): what a service says of itself over a datagram socket of its own.
//!
//! ```text
//!  service ── datagram ──► socket ── peek ──► from this service? ── parse ──► the loop
//!                            │                                                 │
//!                            └── take it off: here, or in a child when ◄───────┘
//!                                descriptors came along (BARRIER=1)
//! ```
//! There is a socket only for a service whose manifest says `readiness = "notify"` or `watchdog`.

mod main_pid;
mod message;
mod proc;
mod sender;
mod socket;

pub use sender::Origin;
pub use socket::{NOTIFY, NotifySocket, Said};
