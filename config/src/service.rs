//! One supervised container: the checked form of `service.toml`.
//!
//! Keys are the Compose Specification's with their meaning; deviations are one table in the docs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::{
    Capability, ExtraHost, Grant, ImageName, Protocol, Resolver, Resources, ServiceName, Signal,
    Supervision, Ulimit, VolumeName,
};

/// One service, every default applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The folder's name, or the instance's of a scaled service (`web-2`).
    pub name: ServiceName,
    /// `image`: defaults to the service's own name when `build` is given.
    pub image: ImageName,
    /// `build`: what the image is made of; `None` when `image` names another build's.
    pub build: Option<Build>,
    /// `entrypoint`: a list of arguments (a string is split like a shell would, as in Compose).
    pub entrypoint: Vec<String>,
    /// `command`: follows `entrypoint`. At least one of the two is not empty.
    pub command: Vec<String>,
    /// `environment` over `env_file`. `PATH` and `HOME` are added at launch when absent.
    pub environment: BTreeMap<String, String>,
    /// `user`: who runs the main process inside; default root of the user namespace.
    pub user: UserSpec,
    /// `working_dir`: absolute; default `/`.
    pub working_dir: PathBuf,
    /// `hostname`: default the service's name.
    pub hostname: String,
    /// `domainname`: none when not written.
    pub domainname: Option<String>,
    /// `extra_hosts`: in the order of the list, a table's by name.
    pub extra_hosts: Vec<ExtraHost>,
    /// `dns`, `dns_search` and `dns_opt`.
    pub resolver: Resolver,
    /// `volumes`: `"name:/path[:ro]"` or `"./folder:/path[:ro]"`.
    pub volumes: Vec<VolumeMount>,
    /// `tmpfs`: `"/run"`, `"/tmp:size=64m,mode=1777"`.
    pub tmpfs: Vec<TmpfsMount>,
    /// `read_only`: the root file system; default true (false for `baseline` and `privileged`).
    pub read_only: bool,
    /// `ports`: `"8080:80"`, `"127.0.0.1:8080:80/tcp"`, ranges `"8000-8010:8000-8010"` (expanded here).
    pub ports: Vec<PublishedPort>,
    /// `network_mode`.
    pub network_mode: NetworkMode,
    /// `userns_mode`: `"host"` leaves the user namespace; `isolation = "privileged"` implies that.
    pub userns_mode: UsernsMode,
    /// `depends_on`: a list of names, or a table name → condition.
    pub depends_on: BTreeMap<ServiceName, Dependency>,
    /// `restart`: default `always`.
    pub restart: RestartPolicy,
    /// `stop_signal`: default SIGTERM.
    pub stop_signal: Signal,
    /// `stop_grace_period`: a duration such as `"1m30s"`; default 10 s.
    pub stop_grace_period: Duration,
    /// `cap_add` and `cap_drop` and `isolation` resolved: what the main process may hold, sorted.
    pub capabilities: Vec<Capability>,
    /// Of those what `cap_add` asks for, sorted: a user who is not root holds these only.
    pub added_capabilities: Vec<Capability>,
    /// `mem_limit`: bytes, for `memory.max`.
    pub mem_limit: Option<u64>,
    /// `cpus`: thousandths of one CPU, for `cpu.max`.
    pub milli_cpus: Option<u64>,
    /// `pids_limit`: for `pids.max`; default 2048 (Podman's); `None` for -1, unlimited.
    pub pids_limit: Option<u64>,
    /// `devices`: `"/dev/ttyS0"`, `"/dev/ttyS0:/dev/console:rw"`.
    pub devices: Vec<DeviceGrant>,
    /// `init`: a small init that reaps and forwards signals runs as pid 1 of the container.
    pub init: bool,
    /// `isolation`.
    pub isolation: Isolation,
    /// `group_add`: further groups of the main process, names or ids; names are looked up in the image.
    pub group_add: Vec<String>,
    /// `pid`, `ipc`, `uts`, `cgroup`.
    pub host_namespaces: HostNamespaces,
    /// `security_opt`: no program gains privileges by its file. Always, unless privileged.
    pub no_new_privileges: bool,
    /// `sysctls`: of its own network and IPC namespaces, by name.
    pub sysctls: BTreeMap<String, String>,
    /// `ulimits`, beside those that every service has.
    pub ulimits: Vec<Ulimit>,
    /// `shm_size`: bytes of `/dev/shm`; default 64 MiB.
    pub shm_size: u64,
    /// `oom_score_adj`: -1000 to 1000; by whether there is a `mem_limit` when absent.
    pub oom_score_adj: Option<i16>,
    /// `mem_reservation`, `memswap_limit`, `cpu_shares`, `cpuset`, `blkio_config`.
    pub resources: Resources,
    /// `labels`: for people and programs that read manifests.
    pub labels: BTreeMap<String, String>,
    /// `profiles`: it is started at the boot only when `system.toml` lists one of them, or when there
    /// is none.
    pub profiles: Vec<String>,
    /// `control`: the control methods that the service may call; a control socket appears at
    /// `/run/orlop/control.sock` in the container when this is not empty.
    pub control: Vec<Grant>,
    /// How it is kept running: kind, readiness, health, limits, order, schedule.
    pub supervision: Supervision,
}

impl Service {
    /// The folder below `services/` that it is made of: its name, but for an instance.
    #[must_use]
    pub fn folder(&self) -> &ServiceName {
        match &self.supervision.replica {
            Some(replica) => &replica.of,
            None => &self.name,
        }
    }

    /// How many automatic restarts in a row there are at the most; endless when `None`.
    #[must_use]
    pub fn max_attempts(&self) -> Option<u32> {
        match self.restart {
            RestartPolicy::OnFailure { max_retries } => max_retries,
            _ => self.supervision.max_attempts,
        }
    }
}

/// `build`: what an image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Build {
    /// `debian`: binary packages, taken with their dependency closure.
    pub debian: Vec<String>,
    /// `suite`: the Debian suite; default `bookworm`.
    pub suite: String,
    /// `files`: source (relative to the service's folder; a file or folder) → absolute path in the image.
    pub files: BTreeMap<PathBuf, PathBuf>,
    /// `programs`: first-party programs, each put at `/usr/bin/<name>`.
    pub programs: Vec<String>,
    /// `users`: users (and their groups of the same name) that the packages' scripts would have made.
    pub users: BTreeMap<String, BuildUser>,
    /// `directories`: absolute path → `"user:group mode"`, parsed: owner name, group name, mode.
    pub directories: BTreeMap<PathBuf, (String, String, u32)>,
}

/// A user that a build declares: `users = { redis = { uid = 100, home = "/var/lib/redis" } }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildUser {
    /// `uid`, and the gid of the user's own group.
    pub uid: u32,
    /// `home`: default `/nonexistent`.
    pub home: PathBuf,
    /// `shell`: default `/usr/sbin/nologin`.
    pub shell: PathBuf,
}

/// `user`: `"name"`, `"uid"`, `"name:group"`, `"uid:gid"`. Names are looked up in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSpec {
    /// A name or a decimal id.
    pub user: String,
    /// A name or a decimal id; the user's own group and its supplementary groups when absent.
    pub group: Option<String>,
}

/// One entry of `volumes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// What is mounted.
    pub source: VolumeSource,
    /// Absolute path in the container.
    pub target: PathBuf,
    /// `:ro`.
    pub read_only: bool,
}

/// What a volume entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// A volume declared under `[volumes]` in `system.toml`; kept on the state disk.
    Named(VolumeName),
    /// A path relative to the service's own folder, baked into the system image, always read-only.
    Folder(PathBuf),
}

/// One entry of `tmpfs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsMount {
    /// Absolute path in the container.
    pub target: PathBuf,
    /// `size=` in bytes; default 64 MiB.
    pub size: u64,
    /// `mode=`; default 0o1777.
    pub mode: u32,
}

/// One published port; ranges are expanded to one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublishedPort {
    /// The machine's address it is published on; all when absent.
    pub host_ip: Option<std::net::Ipv4Addr>,
    /// The machine's port.
    pub published: u16,
    /// The container's port.
    pub target: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// `network_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkMode {
    /// `"bridge"`: an own network namespace with a veth on the machine's bridge.
    #[default]
    Bridge,
    /// `"none"`: an own network namespace with loopback only.
    None,
    /// `"host"`: the machine's network namespace.
    Host,
}

/// `userns_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UsernsMode {
    /// An own user namespace with 65,536 ids: the default; written by leaving the key out.
    #[default]
    Private,
    /// `"host"`: the machine's user namespace.
    Host,
}

/// How one service depends on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// `condition`.
    pub condition: Condition,
    /// `required`: when false a missing or failed dependency is said and passed over.
    pub required: bool,
    /// `restart`: a restart of the dependency by request restarts this one too (Compose).
    pub restart: bool,
    /// `propagate`: what an end of the dependency by itself does to this one.
    pub propagate: Propagate,
}

impl Default for Dependency {
    /// Compose's `depends_on = ["name"]`.
    fn default() -> Self {
        Self {
            condition: Condition::Started,
            required: true,
            restart: false,
            propagate: Propagate::None,
        }
    }
}

/// `depends_on.<name>.propagate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagate {
    /// `"none"`: nothing.
    #[default]
    None,
    /// `"restart"`: it is started anew once the dependency is up again.
    Restart,
    /// `"stop"`: it is stopped.
    Stop,
}

/// `depends_on.<name>.condition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// `service_started`.
    #[default]
    Started,
    /// `service_completed_successfully`.
    CompletedSuccessfully,
    /// `service_healthy`.
    Healthy,
}

/// `restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// `"no"`.
    No,
    /// `"always"`, the default.
    #[default]
    Always,
    /// `"on-failure"` or `"on-failure:3"`.
    OnFailure {
        /// How many restarts in a row at the most; endless when absent.
        max_retries: Option<u32>,
    },
    /// `"unless-stopped"`: as `always` until generations remember a manual stop over a reboot.
    UnlessStopped,
    /// `"on-success"`: after a success only (systemd, as the next three).
    OnSuccess,
    /// `"on-abnormal"`: after a signal, a timeout, a watchdog's or a health check's verdict.
    OnAbnormal,
    /// `"on-abort"`: after a signal only.
    OnAbort,
    /// `"on-watchdog"`: after the watchdog's verdict only.
    OnWatchdog,
}

/// Which of the machine's own namespaces a service is in; with the machine's user namespace only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostNamespaces {
    /// `pid = "host"`: it sees all processes.
    pub pid: bool,
    /// `ipc = "host"`: System V IPC and message queues.
    pub ipc: bool,
    /// `uts = "host"`: the host name.
    pub uts: bool,
    /// `cgroup = "host"`: it sees all cgroups.
    pub cgroup: bool,
}

/// `isolation`: the names of the Kubernetes Pod Security Standards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// No capabilities, no_new_privs, own user namespace, seccomp, read-only root.
    #[default]
    Restricted,
    /// Docker's capability list and a writable root, still in a user namespace.
    Baseline,
    /// No user namespace, all capabilities, no seccomp; `orlop ps` says so.
    Privileged,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Isolation::Restricted => "restricted",
            Isolation::Baseline => "baseline",
            Isolation::Privileged => "privileged",
        })
    }
}

/// One entry of `devices`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceGrant {
    /// The machine's node, below `/dev`.
    pub source: PathBuf,
    /// The path in the container, below `/dev`.
    pub target: PathBuf,
    /// `r` in the permissions.
    pub read: bool,
    /// `w` in the permissions.
    pub write: bool,
}
