//! What the container sees as its files.

use std::ffi::CStr;
use std::path::{Path, PathBuf};

use orlop_config::{Isolation, NetworkMode, READ_ONLY_TMPFS, TmpfsMount};
use orlop_sys::mount_api::MountFlags;

use super::dev::plan_dev;
use super::mount::{Bind, PLAIN, READ_ONLY, fresh, fresh_source, machine};
use super::{
    LaunchInputs, Links, Missing, Mount, MountSource, NOTIFY_SOCKET, Overlay, Owner, PlanError,
    RootMount, Step, absolute, in_root, text,
};
use crate::weaken::{Rule, holds};
use orlop_config::compact::sort_by;

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

/// Where a service with grants finds its control socket.
const CONTROL_SOCKET: &str = "/run/orlop/control.sock";

pub(super) fn plan_filesystem(
    inputs: &LaunchInputs<'_>,
    owner: Owner<'_>,
    steps: &mut Vec<Step>,
) -> Result<(), PlanError> {
    let service = inputs.service;
    let privileged = service.isolation == Isolation::Privileged;
    steps.extend([Step::OpenNull, Step::AttachRoot(root(inputs)?)]);
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
        plan_dev(service, owner, steps)?;
    }
    steps.extend(wanted_mounts(inputs, owner)?);
    if !privileged {
        steps.extend(MASKED.map(|path| Step::Mask(path.to_owned())));
        steps.extend(READ_ONLY_PATHS.map(|path| Step::ReadOnlyPath(path.to_owned())));
    }
    Ok(())
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
    let flags = match privileged || !holds(Rule::R11) {
        true => PLAIN,
        false => READ_ONLY,
    };
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
            volume: volume.name.clone(),
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
        // What the manifest mounts there itself goes before (Docker's rule for /etc/hosts).
        if mounts.iter().any(|(taken, _)| *taken == file.target) {
            continue;
        }
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
    let sockets = [
        (inputs.control_socket, CONTROL_SOCKET),
        (inputs.notify.map(|notify| notify.socket), NOTIFY_SOCKET),
    ];
    for (socket, target) in sockets {
        let Some(socket) = socket else { continue };
        let bind = Bind {
            missing: Missing::File,
            ..Bind::default()
        };
        let target = PathBuf::from(target);
        let step = machine(socket, in_root("socket", &target)?, READ_ONLY, bind)?;
        mounts.push((target, step));
    }
    if service.read_only {
        let user = (owner.base + owner.user.uid, owner.base + owner.user.gid);
        let root = (owner.base, owner.base);
        for ((path, size, mode), (uid, gid)) in READ_ONLY_TMPFS.into_iter().zip([user, root]) {
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
    sort_by(&mut mounts, |(left, _), (right, _)| left.cmp(right));
    refuse_links_of_volumes(&mut mounts);
    Ok(mounts.into_iter().map(|(_, step)| step).collect())
}

/// Who writes a volume must not choose where a mount below it lands. (A tmpfs is empty: only Orlop's
/// own directories are in it yet.)
fn refuse_links_of_volumes(mounts: &mut [(PathBuf, Step)]) {
    let mut above: Vec<&Path> = Vec::new();
    for (target, step) in mounts {
        let Step::Mount(mount) = step else { continue };
        let below = |above: &&Path| target != above && target.starts_with(above);
        if above.iter().any(below) {
            mount.links = Links::Refused;
        }
        if matches!(mount.source, MountSource::Machine { .. }) {
            above.push(target);
        }
    }
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
        links: Links::Followed,
    }))
}
