//! The container's `/dev`: a tmpfs of fresh nodes (rule R22), closed when it is complete.

use std::ffi::CStr;
use std::path::Path;

use orlop_config::{DeviceGrant, Service};
use orlop_sys::mount_api::MountFlags;

use super::mount::{PLAIN, fresh};
use super::{Device, Owner, Place, PlanError, Step, absolute, in_root, text};

/// Debian's `tty`, which owns terminals.
const TTY_GROUP: u32 = 5;

/// A `/dev` of fresh nodes, closed when it is complete.
pub(super) fn plan_dev(
    service: &Service,
    owner: Owner<'_>,
    steps: &mut Vec<Step>,
) -> Result<(), PlanError> {
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
    steps.push(fresh(c"tmpfs", c"dev", flags, &options)?);
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
    for grant in &service.devices {
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
    let size = service.shm_size.to_string();
    let shm = [
        ("mode", "1777"),
        ("uid", id.as_str()),
        ("gid", &id),
        ("size", &size),
    ];
    steps.push(fresh(c"tmpfs", c"dev/shm", PLAIN, &shm)?);
    steps.push(fresh(c"mqueue", c"dev/mqueue", PLAIN, &[])?);
    steps.push(Step::MakeReadOnly(c"dev".to_owned()));
    Ok(())
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
