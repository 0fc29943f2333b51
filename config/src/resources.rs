//! What a service may take of the machine, beside `mem_limit`, `cpus` and `pids_limit`.

use std::path::PathBuf;

/// Shares and limits that few services have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// `mem_reservation`: bytes that are reclaimed last, for `memory.low`.
    pub mem_reservation: Option<u64>,
    /// `memswap_limit` less `mem_limit`: bytes of swap at the most, for `memory.swap.max`; no limit
    /// when absent.
    pub swap_limit: Option<u64>,
    /// `cpu_shares`: 2 to 262,144, 1024 being everybody's; for `cpu.weight`.
    pub cpu_shares: Option<u32>,
    /// `cpuset`: CPUs by number, such as `0-1,3`; for `cpuset.cpus`.
    pub cpuset: Option<String>,
    /// `blkio_config`: for `io.max`.
    pub io_limits: Vec<IoLimit>,
}

/// One entry of `blkio_config.device_…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoLimit {
    /// The machine's block device, below `/dev`; a whole one.
    pub device: PathBuf,
    /// What is limited, in the words of `io.max`: `rbps`, `wbps`, `riops` or `wiops`.
    pub what: &'static str,
    /// So many bytes or requests a second at the most.
    pub most: u64,
}

/// One entry of `ulimits` (getrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// Compose's name of it, such as `nofile`.
    pub name: &'static str,
    /// The kernel's number of it (asm-generic/resource.h).
    pub number: u8,
    /// What holds, as long as the service does not raise it; `u64::MAX` for no limit.
    pub soft: u64,
    /// How far it may raise it.
    pub hard: u64,
}

impl Ulimit {
    /// One more than the highest descriptor.
    pub const NOFILE: Self = Self::new("nofile", 7);
    /// Bytes of a core file.
    pub const CORE: Self = Self::new("core", 4);

    /// Those that the kernel heeds. `rss` and `locks`, which it does not, are not among them.
    pub(crate) const ALL: [Self; 13] = [
        Self::CORE,
        Self::new("cpu", 0),
        Self::new("data", 2),
        Self::new("fsize", 1),
        Self::new("memlock", 8),
        Self::new("msgqueue", 12),
        Self::new("nice", 13),
        Self::NOFILE,
        Self::new("nproc", 6),
        Self::new("rtprio", 14),
        Self::new("rttime", 15),
        Self::new("sigpending", 11),
        Self::new("stack", 3),
    ];

    const fn new(name: &'static str, number: u8) -> Self {
        Self {
            name,
            number,
            soft: 0,
            hard: 0,
        }
    }

    /// The same limit with other values.
    #[must_use]
    pub const fn at(self, soft: u64, hard: u64) -> Self {
        Self { soft, hard, ..self }
    }
}
