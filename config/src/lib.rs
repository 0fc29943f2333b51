//! Manifests: the text of `system.toml` and `services/<name>/service.toml` becomes checked values.
//!
//! Pure: no IO, no async, no unsafe. Text is parsed once, here; from then on only checked types
//! travel. Called by the workstation tool (`orlop check`, `orlop build`) and by PID 1 with the
//! very same code, so both say the same sentence.
#![forbid(unsafe_code)]

mod check;
mod diagnostic;
mod machine;
mod service;
mod value;

pub use check::{Checked, Sources, check};
pub use diagnostic::{Diagnostic, Severity, SourceFile};
pub use machine::{Access, ConsoleAccess, Kernel, LinkConfig, Machine, NetworkConfig};
pub use service::{
    Build, BuildUser, Condition, Dependency, DeviceGrant, Isolation, NetworkMode, PublishedPort,
    RestartPolicy, Service, TmpfsMount, UserSpec, UsernsMode, VolumeMount, VolumeSource,
};
pub use value::{Capability, Grant, ImageName, Protocol, ServiceName, Signal, VolumeName};
