//! `io.orlop.services.Boot`: when what of the last boot began and ended.
//!
//! All times are CLOCK_BOOTTIME in microseconds: since power-on, as the kernel counts it.

use serde::{Deserialize, Serialize};

use crate::State;

/// The last boot, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootTimes {
    /// The machine's name.
    pub hostname: String,
    /// The kernel's release.
    pub kernel: String,
    /// PID 1's first reading of the clock: what the kernel took.
    pub handed_over_us: u64,
    /// When the boot was complete; absent while it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub complete_us: Option<u64>,
    /// Now.
    pub now_us: u64,
    /// Stages, module batches and needs in the order of their ends, then services by name.
    pub spans: Vec<BootSpan>,
}

/// What a span is the time of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// A stage of PID 1.
    #[default]
    Stage,
    /// A batch of kernel modules.
    Modules,
    /// Something that services need became present; begin and end are the same.
    Need,
    /// A service, until it was ready or had failed for the first time.
    Service,
}

/// One step of the boot. What has not happened is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootSpan {
    /// What it is.
    pub kind: SpanKind,
    /// The name of the stage, batch, need or service.
    pub name: String,
    /// When it began; of a service, when nothing that it depends on held it any more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub begin_us: Option<u64>,
    /// Of a service whose launch waited for the network or a device: until then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_us: Option<u64>,
    /// Of a service: its program runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub launched_us: Option<u64>,
    /// Of a service: its first passed health check.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub healthy_us: Option<u64>,
    /// When it ended; of a service, when it was up, done, or had failed for the first time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_us: Option<u64>,
    /// Of a service: the state at its end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state: Option<State>,
    /// The services whose end it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub after: Vec<String>,
    /// The services whose first passed health check it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub after_healthy: Vec<String>,
    /// What it needs of the machine.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub needs: Vec<String>,
}
