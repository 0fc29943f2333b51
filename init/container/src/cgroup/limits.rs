//! The limits of a service as files of its cgroup: pure.

use orlop_config::{OomPolicy, Service};

const CPU_PERIOD_US: u64 = 100_000;
/// The kernel refuses a quota below 1 ms.
const CPU_LEAST_US: u64 = 1_000;

/// A cgroup controller that Orlop uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// `memory.max`, `memory.oom.group`.
    Memory,
    /// `cpu.max`.
    Cpu,
    /// `pids.max`.
    Pids,
}

impl Controller {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Pids => "pids",
        }
    }
}

/// One file to write in a new cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Whose file it is; `None` for what is written only where the file is there for others' sake.
    pub controller: Option<Controller>,
    /// The file's name.
    pub file: &'static str,
    /// What is written.
    pub value: String,
}

/// The limits of a service: only those that differ from the kernel's default.
#[must_use]
pub fn plan_limits(service: &Service) -> Vec<Limit> {
    let mut limits = Vec::new();
    let mut limit = |controller, file, value| {
        limits.push(Limit {
            controller: Some(controller),
            file,
            value,
        });
    };
    if let Some(bytes) = service.mem_limit {
        limit(Controller::Memory, "memory.max", bytes.to_string());
    }
    match service.supervision.oom_policy {
        OomPolicy::Continue => {}
        // The kernel's default, written so that the controller is on and counts.
        OomPolicy::Stop => limit(Controller::Memory, "memory.oom.group", "0".to_owned()),
        OomPolicy::Kill => limit(Controller::Memory, "memory.oom.group", "1".to_owned()),
    }
    if let Some(thousandths) = service.milli_cpus {
        let micros = thousandths.saturating_mul(CPU_PERIOD_US) / 1000;
        limit(
            Controller::Cpu,
            "cpu.max",
            format!("{} {CPU_PERIOD_US}", micros.max(CPU_LEAST_US)),
        );
    }
    if let Some(count) = service.pids_limit {
        limit(Controller::Pids, "pids.max", count.to_string());
    }
    if service.mem_limit.is_none() && service.supervision.oom_policy == OomPolicy::Continue {
        // Killed process by process it would take the place of each, while all others starve.
        limits.push(Limit {
            controller: None,
            file: "memory.oom.group",
            value: "1".to_owned(),
        });
    }
    limits
}
