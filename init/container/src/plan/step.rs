//! The steps of a launch as values: what the child does, in this order, with every string made.

use std::ffi::CString;

use nix::sched::CloneFlags;
use orlop_config::Ulimit;
use orlop_sys::credentials::CapabilitySet;
use orlop_sys::mount_api::MountFlags;

use crate::seccomp::Program;

/// One step of the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Default signal dispositions, nothing blocked.
    ResetSignals,
    /// A session of its own, without a terminal (rule R15).
    NewSession,
    /// The file mode creation mask.
    Umask(u32),
    /// A file of the private proc (rule R6): `oom_score_adj`, whatever PID 1 has (adr/0009), and the
    /// settings of its own namespaces.
    WriteProc {
        /// Relative to that proc.
        file: CString,
        /// What is written, at once.
        value: CString,
    },
    /// Nothing mounted from here on is seen outside.
    PrivateMounts,
    /// Into the service's network namespace.
    JoinNetwork,
    /// sethostname(2).
    Hostname(String),
    /// The NIS domain name, as setdomainname(2) would set it.
    Domainname(String),
    /// Opens and verifies the null device that files are masked with (rule R4).
    OpenNull,
    /// The root file system on the staging directory.
    AttachRoot(RootMount),
    /// One mount.
    Mount(Mount),
    /// A directory that may exist already.
    Directory(Place),
    /// A fresh device node.
    Node {
        /// Where.
        path: Place,
        /// Which device.
        device: Device,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
        content: CString,
        /// Where.
        path: Place,
    },
    /// Makes a mount of the container read-only once it is filled.
    MakeReadOnly(CString),
    /// Hides a file or directory; passed over when it does not exist.
    Mask(CString),
    /// A file or directory that can only be read; passed over when it does not exist.
    ReadOnlyPath(CString),
    /// The assembled root becomes `/`, the machine's is gone.
    PivotRoot,
    /// Into the user namespace, then a mount namespace that it owns: all mounts are locked (R23).
    EnterUser,
    /// Ids and capabilities, in the order that the kernel allows.
    Credentials(Credentials),
    /// A resource limit, while the child may still raise it.
    Limit(Ulimit),
    /// chdir, and the check that it is inside (rule R3).
    WorkingDir(CString),
    /// Standard streams, passed sockets from 3 on, close-on-exec for everything else (rule R2).
    Descriptors,
    /// no_new_privs.
    NoNewPrivileges,
    /// The filter; the last before execve.
    Seccomp(Program),
    /// The first of these paths that exists; of several failures the one that says most.
    Exec(Vec<CString>),
    /// The multi-call binary, which was opened by PID 1.
    ExecMultiCall,
    /// Only the exec's own descriptors stay, and nobody in the container may look (rule R1).
    Hide,
    /// Into these namespaces of the service's main process, all at once.
    EnterProcess(CloneFlags),
    /// The rest is done by a new process, which is in the entered pid namespace.
    Fork,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootMount {
    /// The image's directory on the machine.
    pub image: CString,
    /// The directory it is attached to, in the child's own mount namespace.
    pub staging: CString,
    /// Owners appear as the user namespace maps them.
    pub idmap: bool,
    /// A writable layer over it; read-only when absent.
    pub overlay: Option<Overlay>,
}

/// The paths of a writable layer (a tmpfs on the staging directory).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// `lowerdir=…,upperdir=…,workdir=…`.
    pub options: CString,
    /// Where the whole appears.
    pub merged: CString,
}

/// A mount in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// Where, relative to the container's root.
    pub target: CString,
    /// Its flags.
    pub flags: MountFlags,
    /// What is done when the target is missing.
    pub missing: Missing,
    /// What is done about symbolic links on the way to the target.
    pub links: Links,
}

/// What is done about symbolic links on the way to a mount's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// They are the image's: followed, and they end inside the root.
    Followed,
    /// The way leads through a volume: another service that writes it would choose where this mount
    /// lands (rule R7).
    Refused,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A new file system of the kernel's, with options (a flag has no value).
    Fresh {
        /// Its type.
        fstype: CString,
        /// Its options.
        options: Vec<(CString, Option<CString>)>,
    },
    /// A path of the machine.
    Machine {
        /// Absolute.
        path: CString,
        /// The volume's name, for sentences.
        volume: Option<String>,
        /// With what is mounted below.
        recursive: bool,
        /// Owners appear as the user namespace maps them.
        idmap: bool,
        /// An empty directory takes owner and mode of the target that it covers, as Compose's
        /// named volumes do.
        adopt_owner: bool,
    },
}

/// What is done about a missing mount target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The launch fails and names it.
    Refuse,
    /// The mount is left out.
    Skip,
    /// It is made, as a directory with its parents.
    Directory,
    /// It is made, as an empty file with its parents.
    File,
}

/// Something to be made in the container: parent directory and name, relative to its root, and its
/// owner as the machine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory, such as `dev`.
    pub parent: CString,
    /// The name in it.
    pub name: CString,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Which device a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// A character device.
    Character {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// The same as this node of the machine (rule R22: a fresh one, the machine's stays as it is).
    SameAs(CString),
}

/// Who the process becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User id, in the process's user namespace.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Bounding; when `uid` is 0 permitted and effective too.
    pub capabilities: CapabilitySet,
    /// What another user holds: permitted, effective, inheritable and ambient. Empty when `uid` is 0.
    pub ambient: CapabilitySet,
}
