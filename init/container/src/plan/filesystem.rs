//! What the container sees as its files.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use orlop_config::{DeviceGrant, Isolation, NetworkMode, TmpfsMount};
use orlop_sys::mount_api::MountFlags;

use super::{
    Device, LaunchInputs, Missing, Mount, MountSource, Overlay, Owner, Place, PlanError, RootMount,
    Step, absolute, in_root, text,
};

const PLAIN: MountFlags = MountFlags {
    read_only: false,
    nosuid: true,
    nodev: true,
    noexec: true,
};
const READ_ONLY: MountFlags = MountFlags {
    read_only: true,
    ..PLAIN
};

/// Hidden from every service: Docker's and containerd's lists together (rule R4). Those
/// that the kernel does not have are passed over.
const MASKED: [&CStr; 12] = [
    c"proc/acpi",
    c"proc/asound",
    c"proc/interrupts",
    c"proc/kcore",
    c"proc/keys",
    c"proc/latency_stats",
    c"proc/sched_debug",
    c"proc/scsi",
    c"proc/timer_list",
    c"proc/timer_stats",
    c"sys/devices/virtual/powercap",
    c"sys/firmware",
];

const READ_ONLY_PATHS: [&CStr; 5] = [
    c"proc/bus",
    c"proc/fs",
    c"proc/irq",
    c"proc/sys",
    c"proc/sysrq-trigger",
];

/// Debian's `tty`, which owns terminals.
const TTY_GROUP: u32 = 5;

/// Sizes of what a read-only root gets without asking: `/run` and `/tmp`.
const RUN_SIZE: u64 = 16 << 20;
const TMP_SIZE: u64 = 64 << 20;
const SHM_SIZE: u64 = 64 << 20;

pub(super) fn plan_filesystem(
    inputs: &LaunchInputs<'_>,
    owner: Owner<'_>,
) -> Result<Vec<Step>, PlanError> {
    let service = inputs.service;
    let privileged = service.isolation == Isolation::Privileged;
    let mut steps = vec![Step::OpenNull, Step::AttachRoot(root(inputs)?)];
    steps.push(fresh(c"proc", c"proc", PLAIN, &[])?);
    steps.extend(sys(service.network_mode, privileged)?);
    if privileged {
        let flags = MountFlags::default();
        steps.push(machine(
            Path::new("/dev"),
            c"dev".to_owned(),
            flags,
            Bind {
                recursive: true,
                ..Bind::default()
            },
        )?);
    } else {
        steps.extend(dev(&service.devices, owner)?);
    }
    steps.extend(wanted_mounts(inputs, owner)?);
    if !privileged {
        steps.extend(MASKED.map(|path| Step::Mask(path.to_owned())));
        steps.extend(READ_ONLY_PATHS.map(|path| Step::ReadOnlyPath(path.to_owned())));
    }
    Ok(steps)
}

fn root(inputs: &LaunchInputs<'_>) -> Result<RootMount, PlanError> {
    let staging = absolute("staging", inputs.staging)?;
    let part = |name: &str| inputs.staging.join(name).display().to_string();
    let overlay = if inputs.service.read_only {
        None
    } else {
        let [lower, upper, work] = [part("lower"), part("upper"), part("work")];
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        Some(Overlay {
            options: text("staging", options.as_bytes())?,
            merged: text("staging", part("merged").as_bytes())?,
        })
    };
    Ok(RootMount {
        image: absolute("image", inputs.rootfs)?,
        staging,
        idmap: super::inputs::has_user_namespace(inputs.service),
        overlay,
    })
}

/// `/sys` of the service's own network namespace, or the machine's, which only that one can see;
/// with its cgroup as the root of `/sys/fs/cgroup` (rule R11).
fn sys(network: NetworkMode, privileged: bool) -> Result<[Step; 2], PlanError> {
    let flags = if privileged { PLAIN } else { READ_ONLY };
    let sys = if network == NetworkMode::Host {
        machine(
            Path::new("/sys"),
            c"sys".to_owned(),
            flags,
            Bind {
                recursive: true,
                ..Bind::default()
            },
        )?
    } else {
        fresh(c"sysfs", c"sys", flags, &[])?
    };
    Ok([sys, fresh(c"cgroup2", c"sys/fs/cgroup", flags, &[])?])
}

/// A `/dev` of fresh nodes, closed when it is complete.
fn dev(grants: &[DeviceGrant], owner: Owner<'_>) -> Result<Vec<Step>, PlanError> {
    let base = owner.base;
    let place = |parent: &CStr, name: &CStr| Place {
        parent: parent.to_owned(),
        name: name.to_owned(),
        uid: base,
        gid: base,
    };
    let in_dev = |name: &CStr| place(c"dev", name);
    let id = format!("{base}");
    let flags = MountFlags {
        nosuid: true,
        noexec: true,
        ..MountFlags::default()
    };
    let options = [
        ("mode", "0755"),
        ("uid", &id),
        ("gid", &id),
        ("size", "64k"),
    ];
    let mut steps = vec![fresh(c"tmpfs", c"dev", flags, &options)?];
    let nodes = [
        (c"null", 1, 3),
        (c"zero", 1, 5),
        (c"full", 1, 7),
        (c"random", 1, 8),
        (c"urandom", 1, 9),
        (c"tty", 5, 0),
    ];
    steps.extend(nodes.map(|(name, major, minor)| Step::Node {
        path: in_dev(name),
        device: Device::Character { major, minor },
        mode: 0o666,
    }));
    for grant in grants {
        steps.extend(granted(grant, owner)?);
    }
    steps.extend([c"pts", c"shm", c"mqueue"].map(|name| Step::Directory(in_dev(name))));
    let links = [
        (c"ptmx", c"pts/ptmx"),
        (c"fd", c"/proc/self/fd"),
        (c"stdin", c"/proc/self/fd/0"),
        (c"stdout", c"/proc/self/fd/1"),
        (c"stderr", c"/proc/self/fd/2"),
    ];
    steps.extend(links.map(|(name, content)| Step::Symlink {
        content: content.to_owned(),
        path: in_dev(name),
    }));
    let tty = format!("{}", base + TTY_GROUP);
    let terminals = [
        ("newinstance", ""),
        ("ptmxmode", "0666"),
        ("mode", "0620"),
        ("gid", &tty),
    ];
    steps.push(fresh(c"devpts", c"dev/pts", flags, &terminals)?);
    let size = format!("{SHM_SIZE}");
    let shm = [
        ("mode", "1777"),
        ("uid", id.as_str()),
        ("gid", &id),
        ("size", &size),
    ];
    steps.push(fresh(c"tmpfs", c"dev/shm", PLAIN, &shm)?);
    steps.push(fresh(c"mqueue", c"dev/mqueue", PLAIN, &[])?);
    steps.push(Step::MakeReadOnly(c"dev".to_owned()));
    Ok(steps)
}

/// A granted device: a node of its own that belongs to the service's user, with the bits that the
/// manifest grants.
fn granted(grant: &DeviceGrant, owner: Owner<'_>) -> Result<Vec<Step>, PlanError> {
    let target = in_root("devices", &grant.target)?;
    let refused = || PlanError::Path {
        key: "devices",
        path: grant.target.display().to_string(),
    };
    let target = Path::new(std::str::from_utf8(target.to_bytes()).map_err(|_| refused())?);
    let mut ancestors: Vec<_> = target.ancestors().skip(1).collect();
    if !target.starts_with("dev") || ancestors.len() < 2 {
        return Err(refused());
    }
    // "" and "dev" are there.
    ancestors.truncate(ancestors.len() - 2);
    let place = |path: &Path, uid, gid| -> Result<Place, PlanError> {
        let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(refused)?;
        Ok(Place {
            parent: text("devices", parent.as_os_str().as_encoded_bytes())?,
            name: text("devices", name.as_encoded_bytes())?,
            uid,
            gid,
        })
    };
    let mut steps = Vec::new();
    for directory in ancestors.into_iter().rev() {
        steps.push(Step::Directory(place(directory, owner.base, owner.base)?));
    }
    let bits = |granted: bool, bits| if granted { bits } else { 0 };
    steps.push(Step::Node {
        path: place(
            target,
            owner.base + owner.user.uid,
            owner.base + owner.user.gid,
        )?,
        device: Device::SameAs(absolute("devices", &grant.source)?),
        mode: bits(grant.read, 0o440) | bits(grant.write, 0o220),
    });
    Ok(steps)
}

/// What the manifest asks for, and what a read-only root needs; parents before what is below them.
fn wanted_mounts(inputs: &LaunchInputs<'_>, owner: Owner<'_>) -> Result<Vec<Step>, PlanError> {
    let service = inputs.service;
    let mut mounts: Vec<(PathBuf, Step)> = Vec::new();
    for tmpfs in &service.tmpfs {
        mounts.push((
            tmpfs.target.clone(),
            tmpfs_step(tmpfs, owner.base, owner.base, Missing::Directory)?,
        ));
    }
    for volume in inputs.volumes {
        let flags = MountFlags {
            read_only: volume.read_only,
            nosuid: true,
            nodev: true,
            noexec: false,
        };
        let bind = Bind {
            idmap: volume.idmap && owner.base != 0,
            adopt_owner: !volume.read_only,
            ..Bind::default()
        };
        let target = in_root("volumes", &volume.target)?;
        mounts.push((
            volume.target.clone(),
            machine(&volume.source, target, flags, bind)?,
        ));
    }
    for file in inputs.file_binds {
        let target = in_root("file_binds", &file.target)?;
        let missing = if file.required {
            Missing::File
        } else {
            Missing::Skip
        };
        let bind = Bind {
            missing,
            ..Bind::default()
        };
        mounts.push((
            file.target.clone(),
            machine(&file.source, target, READ_ONLY, bind)?,
        ));
    }
    if let Some(socket) = inputs.control_socket {
        let bind = Bind {
            missing: Missing::File,
            ..Bind::default()
        };
        let step = machine(
            socket,
            c"run/orlop/control.sock".to_owned(),
            READ_ONLY,
            bind,
        )?;
        mounts.push((PathBuf::from("/run/orlop/control.sock"), step));
    }
    if service.read_only {
        let user = (owner.base + owner.user.uid, owner.base + owner.user.gid);
        let root = (owner.base, owner.base);
        for (path, size, mode, (uid, gid)) in [
            ("/run", RUN_SIZE, 0o755, user),
            ("/tmp", TMP_SIZE, 0o1777, root),
        ] {
            let target = PathBuf::from(path);
            if !mounts.iter().any(|(taken, _)| *taken == target) {
                let tmpfs = TmpfsMount {
                    target: target.clone(),
                    size,
                    mode,
                };
                mounts.push((target, tmpfs_step(&tmpfs, uid, gid, Missing::Skip)?));
            }
        }
    }
    mounts.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(mounts.into_iter().map(|(_, step)| step).collect())
}

fn tmpfs_step(tmpfs: &TmpfsMount, uid: u32, gid: u32, missing: Missing) -> Result<Step, PlanError> {
    let [uid, gid, size] = [uid.to_string(), gid.to_string(), tmpfs.size.to_string()];
    let mode = format!("{:04o}", tmpfs.mode);
    let options = [
        ("mode", mode.as_str()),
        ("uid", &uid),
        ("gid", &gid),
        ("size", &size),
    ];
    let source = fresh_source(c"tmpfs", &options)?;
    Ok(Step::Mount(Mount {
        source,
        target: in_root("tmpfs", &tmpfs.target)?,
        flags: PLAIN,
        missing,
    }))
}

fn fresh(
    fstype: &CStr,
    target: &CStr,
    flags: MountFlags,
    options: &[(&str, &str)],
) -> Result<Step, PlanError> {
    let source = fresh_source(fstype, options)?;
    Ok(Step::Mount(Mount {
        source,
        target: target.to_owned(),
        flags,
        missing: Missing::Directory,
    }))
}

/// Options with an empty value are flags.
fn fresh_source(fstype: &CStr, options: &[(&str, &str)]) -> Result<MountSource, PlanError> {
    let option = |&(key, value): &(&str, &str)| -> Result<_, PlanError> {
        let value = if value.is_empty() {
            None
        } else {
            Some(text("options", value.as_bytes())?)
        };
        Ok((text("options", key.as_bytes())?, value))
    };
    let options = options.iter().map(option).collect::<Result<_, _>>()?;
    Ok(MountSource::Fresh {
        fstype: fstype.to_owned(),
        options,
    })
}

#[derive(Clone, Copy)]
struct Bind {
    recursive: bool,
    idmap: bool,
    adopt_owner: bool,
    missing: Missing,
}

impl Default for Bind {
    fn default() -> Self {
        Self {
            recursive: false,
            idmap: false,
            adopt_owner: false,
            missing: Missing::Directory,
        }
    }
}

fn machine(path: &Path, target: CString, flags: MountFlags, bind: Bind) -> Result<Step, PlanError> {
    let path = absolute("source", path)?;
    let Bind {
        recursive,
        idmap,
        adopt_owner,
        missing,
    } = bind;
    let source = MountSource::Machine {
        path,
        recursive,
        idmap,
        adopt_owner,
    };
    Ok(Step::Mount(Mount {
        source,
        target,
        flags,
        missing,
    }))
}
