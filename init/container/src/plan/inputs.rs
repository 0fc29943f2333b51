//! What a plan is made from.

use std::path::{Path, PathBuf};

use orlop_config::{Isolation, NetworkMode, Service, UsernsMode};

use crate::namespaces::NamespaceSpec;

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
    /// The text of the image's `/etc/passwd`; empty when it has none.
    pub passwd: &'a str,
    /// The text of the image's `/etc/group`; empty when it has none.
    pub group: &'a str,
    /// The machine's id of the service's root; not used with the machine's user namespace.
    pub id_base: u32,
    /// The manifest's volumes, found on the machine.
    pub volumes: &'a [ResolvedVolume],
    /// Further files, read-only in the container (`resolv.conf`, `hosts`).
    pub file_binds: &'a [FileBind],
    /// The service's control socket on the machine. The service's user must be allowed to write it.
    pub control_socket: Option<&'a Path>,
    /// Names of the passed sockets, in the order of their descriptors.
    pub listen_names: &'a [String],
}

/// A volume's place on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedVolume {
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
