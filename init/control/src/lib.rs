//! The control interface: varlink messages, their types, the server side for PID 1, the client side
//! for services and the workstation, and the command-line verbs that both ends share.
//!
//! Without features only what is pure; `server`, `client` and `verbs` add one end each.
#![forbid(unsafe_code)]

mod boot_times;
#[cfg(feature = "client")]
pub mod client;
mod error;
mod exec;
pub mod gateway;
pub mod interfaces;
mod lease;
mod logs;
mod machine_info;
mod method;
#[cfg(feature = "server")]
pub mod server;
mod service_info;
mod time_adjustment;
pub mod varlink;
#[cfg(feature = "verbs")]
pub mod verbs;

pub use boot_times::{BootSpan, BootTimes, SpanKind};
pub use error::ControlError;
pub use exec::ExecRequest;
#[cfg(feature = "client")]
pub use exec::{Base64, ExecMessage, WINDOW};
pub use lease::{Lease, LeaseError, LeaseTerms, MAX_DNS};
pub use logs::{LogLine, LogMessage, LogStream, LogsCall, LogsRequest};
pub use machine_info::{LinkAddress, MachineInfo};
pub use method::Method;
pub use service_info::{Exit, HealthInfo, Listing, PastExit, Port, ServiceInfo, State, Verdict};
pub use time_adjustment::TimeAdjustment;

/// Where a service finds the control socket, and where PID 1 listens for root.
pub const CONTROL_SOCKET: &str = "/run/orlop/control.sock";
