//! Manifests: the text of `system.toml` and `services/<name>/service.toml` becomes checked values.
//!
//! Pure: no IO, no async, no unsafe. Text is parsed once, here; from then on only checked types
//! travel. Called by the workstation tool (`orlop check`, `orlop build`) and by PID 1 with the
//! very same code, so both say the same sentence.
#![forbid(unsafe_code)]

mod audit;
mod check;
pub mod compact;
mod cron;
mod deviations;
mod diagnostic;
mod disk;
mod effective;
pub mod keys;
mod machine;
mod naming;
mod nearest;
mod parse;
mod reference;
mod resources;
mod scalar;
mod schema;
mod service;
mod supervision;
mod tree;
mod usual;
mod value;

pub use audit::{Allowance, Reach, audit};
pub use check::{Checked, Content, FolderFiles, MOST_SERVICES, Sources, check, check_before_build};
pub use cron::Cron;
pub use deviations::{deviations_markdown, deviations_text};
pub use diagnostic::{Diagnostic, Severity, SourceFile};
pub use disk::DiskName;
pub use effective::{
    EffectiveKey, EffectiveManifest, EffectiveValue, ValueSource, effective, toml_inline,
};
pub use machine::{Access, ConsoleAccess, Kernel, LinkConfig, Machine, NetworkConfig, Watchdog};
pub use naming::{ExtraHost, HostAddress, Resolver};
pub use nearest::nearest;
pub use reference::reference_markdown;
pub use resources::{IoLimit, Resources, Ulimit};
pub use scalar::decode_base64;
pub use schema::{schema, schema_text};
pub use service::{
    Build, BuildUser, Condition, Dependency, DeviceGrant, HostNamespaces, Isolation, NetworkMode,
    Propagate, PublishedPort, RestartPolicy, Service, TmpfsMount, UserSpec, UsernsMode,
    VolumeMount, VolumeSource,
};
pub use supervision::{
    EndStatus, HealthCheck, HealthTest, Kind, MachineAction, Missed, Need, OnFailure, OnUnhealthy,
    OomPolicy, Overlap, Readiness, Replica, Schedule, StartLimit, Supervision, Trigger,
};
pub use usual::{READ_ONLY_TMPFS, USUAL_LIMITS, USUAL_OPEN_FILES, USUAL_PATH};
pub use value::{Capability, Grant, ImageName, Protocol, ServiceName, Signal, VolumeName};

/// The first-party programs that a `build` may name under `programs`: applets of the multi-call
/// binary `services`.
pub const PROGRAMS: [&str; 6] = ["console", "dhcp", "gateway", "log", "ntp", "orlop"];
