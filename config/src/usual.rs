//! What a launch gives a service whose manifest does not say otherwise: the launch takes it from here,
//! and `orlop config` shows it.

use crate::{Service, Ulimit};

/// Where programs are looked for, for `PATH`.
pub const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many files a process may have open: containerd's soft limit, the stricter of the two defaults.
pub const USUAL_OPEN_FILES: u64 = 1024;

/// The limits of a process, as far as `ulimits` does not name them.
pub const USUAL_LIMITS: [Ulimit; 2] = [
    Ulimit::NOFILE.at(USUAL_OPEN_FILES, USUAL_OPEN_FILES),
    Ulimit::CORE.at(0, 0),
];

/// What a read-only root is given to write to where no mount is asked for: path, size in bytes, mode.
pub const READ_ONLY_TMPFS: [(&str, u64, u32); 2] =
    [("/run", 16 << 20, 0o755), ("/tmp", 64 << 20, 0o1777)];

impl Service {
    /// `oom_score_adj`, written or not. When the machine is out of memory, who takes as much as there
    /// is ends before who has a limit (adr/0009).
    #[must_use]
    pub fn oom_score(&self) -> i16 {
        let usual = if self.mem_limit.is_some() { -900 } else { 0 };
        self.oom_score_adj.unwrap_or(usual)
    }
}
