//! From a checked service and an image to a running container.
//!
//! ```text
//! Service + image + ids  --plan()-->  LaunchPlan (pure: every string made, every number decided)
//! LaunchPlan + descriptors  --launch()-->  clone3  -->  child: prepared system calls, execve
//! ```
//! Knows neither tokio nor the control interface. Called by PID 1 for each start of a service.
#![forbid(unsafe_code)]

pub mod cgroup;
pub mod devices;
pub mod exec;
pub mod launch;
pub mod namespaces;
pub mod plan;
pub mod private_proc;
pub mod seccomp;
pub mod user;
pub mod weaken;
