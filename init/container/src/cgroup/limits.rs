//! The limits of a service as files of its cgroup: pure.

use std::path::PathBuf;

use orlop_config::{OomPolicy, Service};

const CPU_PERIOD_US: u64 = 100_000;
/// The kernel refuses a quota below 1 ms.
const CPU_LEAST_US: u64 = 1_000;

/// A cgroup controller that Orlop uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// `memory.max`, `memory.low`, `memory.swap.max`, `memory.oom.group`.
    Memory,
    /// `cpu.max`, `cpu.weight`.
    Cpu,
    /// `pids.max`.
    Pids,
    /// `cpuset.cpus`.
    Cpuset,
    /// `io.max`.
    Io,
}

impl Controller {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Pids => "pids",
            Controller::Cpuset => "cpuset",
            Controller::Io => "io",
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
    /// The device whose number comes first, as the machine has it when the cgroup is made.
    pub device: Option<PathBuf>,
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
            device: None,
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
    let resources = &service.resources;
    if let Some(bytes) = resources.mem_reservation {
        limit(Controller::Memory, LOW, bytes.to_string());
    }
    if let Some(shares) = resources.cpu_shares {
        limit(Controller::Cpu, "cpu.weight", weight(shares).to_string());
    }
    if let Some(cpus) = &resources.cpuset {
        limit(Controller::Cpuset, "cpuset.cpus", cpus.clone());
    }
    // Where the kernel has no swap there is nothing to limit.
    limits.extend(resources.swap_limit.map(|bytes| Limit {
        controller: None,
        file: "memory.swap.max",
        value: bytes.to_string(),
        device: None,
    }));
    limits.extend(resources.io_limits.iter().map(|limit| Limit {
        controller: Some(Controller::Io),
        file: "io.max",
        value: format!("{}={}", limit.what, limit.most),
        device: Some(limit.device.clone()),
    }));
    if service.mem_limit.is_none() && service.supervision.oom_policy == OomPolicy::Continue {
        // Killed process by process it would take the place of each, while all others starve.
        limits.push(Limit {
            controller: None,
            file: "memory.oom.group",
            value: "1".to_owned(),
            device: None,
        });
    }
    limits
}

const LOW: &str = "memory.low";

/// What the cgroup of all services must have of `memory.low`, for the kernel gives a cgroup no more
/// of it than the one above has; none when no service reserves anything.
#[must_use]
pub fn reserved<'a>(services: impl Iterator<Item = &'a Service>) -> Option<Limit> {
    let reserved = services.filter_map(|service| service.resources.mem_reservation);
    let bytes = reserved.reduce(u64::saturating_add)?;
    Some(Limit {
        controller: Some(Controller::Memory),
        file: LOW,
        value: bytes.to_string(),
        device: None,
    })
}

/// systemd's conversion: everybody's 1024 shares are everybody's weight of 100, and half is half.
fn weight(shares: u32) -> u32 {
    (shares.saturating_mul(100) / 1024).clamp(1, 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_config::{ServiceName, SourceFile, Sources, check};

    fn service(manifest: &str) -> Service {
        let file = SourceFile {
            path: "service.toml".to_owned(),
            text: format!("image = \"web\"\ncommand = [\"/bin/web\"]\n{manifest}"),
        };
        let mut checked = check(&Sources {
            services: [("web".to_owned(), file)].into(),
            images: ["web".to_owned()].into(),
            ..Sources::default()
        });
        let name = ServiceName::new("web").unwrap();
        checked.services.remove(&name).unwrap()
    }

    fn planned(manifest: &str) -> Vec<String> {
        let limits = plan_limits(&service(manifest)).into_iter();
        let shown = |limit: Limit| {
            let device = limit.device.map(|path| format!("{} ", path.display()));
            let controller = limit.controller.map_or("-", Controller::name);
            let device = device.unwrap_or_default();
            format!("{controller} {} {device}{}", limit.file, limit.value)
        };
        limits.map(shown).collect()
    }

    #[test]
    fn a_key_is_a_file_of_its_controller() {
        let usual = ["pids pids.max 2048", "- memory.oom.group 1"];
        assert_eq!(planned(""), usual);
        assert_eq!(
            planned("cpuset = \"0-1\"\ncpu_shares = 512\nmem_reservation = \"1m\""),
            [
                usual[0],
                "memory memory.low 1048576",
                "cpu cpu.weight 50",
                "cpuset cpuset.cpus 0-1",
                usual[1],
            ]
        );
        assert_eq!(
            planned("mem_limit = \"8m\"\nmemswap_limit = \"9m\""),
            [
                "memory memory.max 8388608",
                usual[0],
                "- memory.swap.max 1048576",
            ]
        );
        assert_eq!(
            planned("[[blkio_config.device_read_bps]]\npath = \"/dev/vda\"\nrate = \"1k\""),
            [usual[0], "io io.max /dev/vda rbps=1024", usual[1]]
        );
        assert_eq!(
            planned("[deploy.resources.limits]\nmemory = \"8m\"\npids = 5\ncpus = 0.5"),
            [
                "memory memory.max 8388608",
                "cpu cpu.max 50000 100000",
                "pids pids.max 5",
            ]
        );
    }

    #[test]
    fn the_cgroup_above_has_what_all_reserve() {
        let services = ["", "mem_reservation = \"1m\"", "mem_reservation = \"2m\""].map(service);
        let bytes = |services: &[Service]| reserved(services.iter()).map(|limit| limit.value);
        assert_eq!(bytes(&services[..1]), None);
        assert_eq!(bytes(&services), Some("3145728".to_owned()));
    }

    #[test]
    fn shares_keep_their_proportions() {
        let weights = [2, 256, 512, 1024, 2048, 262_144].map(weight);
        assert_eq!(weights, [1, 25, 50, 100, 200, 10_000]);
    }
}
