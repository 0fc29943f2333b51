//! The device filter of a service's cgroup: what no node of the container's `/dev` says is refused
//! by the kernel, however a process came by a node (rule R19).
//!
//! ```text
//! manifest --of()--> DeviceRules (a sorted list) --program()--> extended BPF --load()--> cgroup
//! ```
//! Everything is denied but OCI's default devices and those that the manifest grants. A set of rules
//! is loaded once and shared by all services that have it.

mod filter;
mod program;
mod rules;
#[cfg(test)]
mod tests;

pub use filter::{DeviceError, DeviceFilter};
pub use rules::{DeviceKind, DeviceRule, DeviceRules};
