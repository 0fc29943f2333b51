//! What a plan is made from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use orlop_config::{Isolation, NetworkMode, Service, UsernsMode};
use orlop_sys::credentials::CapabilitySet;

use crate::namespaces::NamespaceSpec;
use crate::seccomp::{Families, Mode, Profile};
use crate::user::User;

/// Everything that decides a launch. No descriptors: those come with [`crate::launch::LaunchFds`].
#[derive(Debug, Clone)]
pub struct LaunchInputs<'a> {
    /// The manifest.
    pub service: &'a Service,
    /// The image's root file system on the machine, such as `/images/nginx`.
    pub rootfs: &'a Path,
    /// An empty directory of mode 0700, such as `/run/orlop/staging`; shared by all launches, since
    /// each has its own mount namespace.
    pub staging: &'a Path,
    /// The manifest's `user`, found in the image ([`crate::user::resolve`]).
    pub user: &'a User,
    /// The machine's id of the service's root; not used with the machine's user namespace.
    pub id_base: u32,
    /// The manifest's volumes, found on the machine.
    pub volumes: &'a [ResolvedVolume],
    /// Further files, read-only in the container (`resolv.conf`, `hosts`), where the manifest mounts
    /// nothing of its own.
    pub file_binds: &'a [FileBind],
    /// The service's control socket on the machine. The service's user must be allowed to write it.
    pub control_socket: Option<&'a Path>,
    /// Names of the passed sockets, in the order of their descriptors.
    pub listen_names: &'a [String],
    /// The number of the descriptor on which the service says that it is ready, by a newline
    /// (s6's notification-fd, dinit's pipefd): from 3 on, and none of the passed sockets'. Its pipe
    /// comes with [`crate::launch::LaunchFds::ready`].
    pub ready_fd: Option<u32>,
    /// What sd_notify(3) needs, for a service that speaks it.
    pub notify: Option<Notify<'a>>,
}

/// The socket of a service that speaks sd_notify(3), which becomes [`NOTIFY_SOCKET`] in the container
/// and in its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify<'a> {
    /// The socket on the machine. The service's user must be allowed to write it.
    pub socket: &'a Path,
    /// The interval in which the service must ping (`WATCHDOG_USEC`, sd_watchdog_enabled(3)). Without
    /// `WATCHDOG_PID`: the one who pings is found by the message's credentials.
    pub watchdog: Option<Duration>,
}

/// Where a container finds the socket of [`Notify`].
pub const NOTIFY_SOCKET: &str = "/run/orlop/notify.sock";

/// A volume's place on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedVolume {
    /// Its name under `[volumes]`; `None` for a folder of the service's own.
    pub name: Option<String>,
    /// Absolute path on the machine.
    pub source: PathBuf,
    /// Absolute path in the container.
    pub target: PathBuf,
    /// `:ro`, and always for what is baked into the system.
    pub read_only: bool,
    /// Owners on the disk are 0–65535, as the container sees them (EROFS, ext4). False for a tmpfs,
    /// whose directory the caller has given to the service's root.
    pub idmap: bool,
}

/// One more file in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileBind {
    /// Absolute path on the machine.
    pub source: PathBuf,
    /// Absolute path in the container.
    pub target: PathBuf,
    /// Without it in the image the launch fails; else the file is left out.
    pub required: bool,
}

/// Which namespaces are kept for a service.
#[must_use]
pub fn namespace_spec(service: &Service, id_base: u32) -> NamespaceSpec {
    NamespaceSpec {
        id_base: has_user_namespace(service).then_some(id_base),
        network: service.network_mode != NetworkMode::Host,
    }
}

pub(crate) fn has_user_namespace(service: &Service) -> bool {
    service.userns_mode == UsernsMode::Private && service.isolation != Isolation::Privileged
}

/// Which filter a service that is not privileged gets.
pub(crate) fn seccomp_profile(service: &Service, capabilities: CapabilitySet) -> Profile {
    Profile {
        capabilities,
        families: match service.isolation {
            Isolation::Restricted => Families::Usual,
            Isolation::Baseline | Isolation::Privileged => Families::Most,
        },
        mode: Mode::Enforce,
    }
}
