//! Stage `early_mounts`: the kernel's own file systems, the command line.
//!
//! PID 1 keeps its /proc and /sys bare: any mount over them would forbid a fresh proc in a
//! service's user namespace (kernel-facts, mount_too_revealing in fs/namespace.c).

use std::fs;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout};

use orlop_config::Ulimit;
use orlop_sys::credentials::set_limit;

use crate::cmdline::{Cmdline, parse_cmdline};
use crate::stage::{Done, Fatal};

/// The cgroup v2 hierarchy's root.
pub const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// What the stage hands on.
#[derive(Debug)]
pub struct EarlyMounts {
    /// The parsed command line.
    pub cmdline: Cmdline,
}

/// PID 1 holds about ten descriptors for each service (pipes, namespaces, cgroup, sockets); the
/// kernel gives it 1024, which 110 services use up. Each service gets a limit of its own.
const OPEN_FILES: u64 = 64 * 1024;

struct Early {
    fstype: &'static str,
    target: &'static str,
    flags: MsFlags,
    options: Option<&'static str>,
}

/// In mount order; /dev first, so that everything after it can be said on the console.
fn plan_mounts() -> [Early; 5] {
    let strict = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let early = |fstype, target, flags, options| Early {
        fstype,
        target,
        flags,
        options,
    };
    [
        early("devtmpfs", "/dev", MsFlags::MS_NOSUID, Some("mode=0755")),
        early("proc", "/proc", strict, None),
        early("sysfs", "/sys", strict, None),
        early(
            "tmpfs",
            "/run",
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            Some("mode=0755"),
        ),
        early(
            "cgroup2",
            CGROUP_ROOT,
            strict,
            Some("nsdelegate,memory_recursiveprot"),
        ),
    ]
}

/// Mounts, reads the command line.
///
/// # Errors
/// When a mount fails: nothing works without any of them.
pub fn run() -> Result<Done<EarlyMounts>, Fatal> {
    umask(Mode::from_bits_truncate(0o022));
    for early in plan_mounts() {
        let _exists_already = fs::create_dir(early.target);
        let mounted = mount(
            Some(early.fstype),
            early.target,
            Some(early.fstype),
            early.flags,
            early.options,
        );
        match mounted {
            // The kernel mounts devtmpfs itself with CONFIG_DEVTMPFS_MOUNT and a root= argument.
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(errno) => {
                return Err(Fatal(format!(
                    "mounting {} on {}: {errno:?}",
                    early.fstype, early.target
                )));
            }
        }
    }
    let mut degraded = Vec::new();
    if let Err(errno) = set_limit(Ulimit::NOFILE.number, OPEN_FILES, OPEN_FILES) {
        degraded.push(format!("raising the limit of open files: {errno:?}"));
    }
    if let Err(errno) = chdir("/") {
        degraded.push(format!("chdir to /: {errno:?}"));
    }
    let cmdline = parse_cmdline(&fs::read_to_string("/proc/cmdline").unwrap_or_default());
    Ok(Done {
        value: EarlyMounts { cmdline },
        degraded,
    })
}

/// Makes the console PID 1's standard streams. Until then they are what the kernel opened, or
/// /dev/null of the initramfs when there was no console yet.
///
/// # Errors
/// The errno of open(2): ENODEV as long as the console's driver is not there.
pub fn open_standard_streams() -> Result<(), Errno> {
    let console = open(
        "/dev/console",
        OFlag::O_RDWR | OFlag::O_NOCTTY,
        Mode::empty(),
    )?;
    dup2_stdin(&console)?;
    dup2_stdout(&console)?;
    dup2_stderr(&console)?;
    Ok(())
}
