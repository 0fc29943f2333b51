//! The mounting steps. Every place in the container is found by openat2 from the root's
//! descriptor, without leaving it, and mounted on by descriptor (rules R7, R8).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use libc::{S_IFCHR, S_IFDIR, S_IFMT, makedev};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat};
use nix::mount::MsFlags;
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, mkdirat};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::fchownat;
use orlop_sys::mount_api::{FsContext, MountFlags, attach, clone_tree, restrict};
use orlop_sys::path;

use super::child::{Registers, open_machine_path};
use super::place::{find, make};
use super::report::{Part, StepError, at};
use crate::namespaces::KeptNamespaces;
use crate::plan::{Links, Missing, Mount, MountSource, Overlay, RootMount};
use crate::weaken::{Rule, holds};

/// Attaches the image (and a writable layer) to the staging directory; the container's root.
pub(super) fn attach_root(
    root: &RootMount,
    namespaces: &KeptNamespaces,
) -> Result<OwnedFd, StepError> {
    let layer = clone_tree(AT_FDCWD, &root.image, false).map_err(at(Part::Source))?;
    let flags = MountFlags {
        read_only: true,
        nosuid: true,
        nodev: true,
        noexec: false,
    };
    restrict(layer.as_fd(), flags, idmap(root.idmap, namespaces)?, false)
        .map_err(at(Part::Idmap))?;
    let staging = open_machine_path(&root.staging, OFlag::empty()).map_err(at(Part::Target))?;
    match &root.overlay {
        None => {
            attach(layer.as_fd(), staging.as_fd()).map_err(at(Part::Attach))?;
            Ok(layer)
        }
        Some(overlay) => {
            attach_overlay(&layer, staging.as_fd(), overlay).map_err(at(Part::Overlay))
        }
    }
}

/// Overlay over an idmapped layer wants the layer attached, at a path: the staging directory is
/// covered by a tmpfs that only this mount namespace has.
fn attach_overlay(
    layer: &OwnedFd,
    staging: BorrowedFd<'_>,
    overlay: &Overlay,
) -> Result<OwnedFd, Errno> {
    let context = FsContext::open(c"tmpfs")?;
    context.set(c"mode", c"0700")?;
    let scratch = context.mount(MountFlags {
        nosuid: true,
        nodev: true,
        ..MountFlags::default()
    })?;
    attach(scratch.as_fd(), staging)?;
    for name in [c"lower", c"upper", c"work", c"merged"] {
        mkdirat(&scratch, name, Mode::from_bits_truncate(0o700))?;
    }
    let directory = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let lower = openat(&scratch, c"lower", directory | OFlag::O_PATH, Mode::empty())?;
    attach(layer.as_fd(), lower.as_fd())?;
    // The merged root takes owner and mode from the upper one.
    let upper = openat(&scratch, c"upper", directory, Mode::empty())?;
    adopt(&upper, &fstat(layer)?)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let (merged, options) = (overlay.merged.as_c_str(), Some(overlay.options.as_c_str()));
    nix::mount::mount(Some(c"overlay"), merged, Some(c"overlay"), flags, options)?;
    open(merged, directory | OFlag::O_PATH, Mode::empty())
}

/// One mount; what is missing is made, refused or passed over as the plan says.
pub(super) fn mount(
    mount: &Mount,
    registers: &Registers<'_>,
    namespaces: &KeptNamespaces,
) -> Result<(), StepError> {
    let root = registers.root().map_err(at(Part::Target))?.as_fd();
    let tree = match &mount.source {
        MountSource::Fresh { fstype, options } => {
            let context = FsContext::open(fstype).map_err(at(Part::Source))?;
            for (key, value) in options {
                match value {
                    Some(value) => context.set(key, value),
                    None => context.set_flag(key),
                }
                .map_err(at(Part::Source))?;
            }
            context.mount(mount.flags).map_err(at(Part::Source))?
        }
        MountSource::Machine {
            path,
            recursive,
            idmap: wanted,
            ..
        } => {
            let tree = clone_tree(AT_FDCWD, path, *recursive).map_err(at(Part::Source))?;
            restrict(
                tree.as_fd(),
                mount.flags,
                idmap(*wanted, namespaces)?,
                *recursive && holds(Rule::R18),
            )
            .map_err(at(Part::Idmap))?;
            tree
        }
    };
    let target = match find(root, &mount.target, mount.links) {
        Err(Errno::ENOENT) => match mount.missing {
            Missing::Skip => return Ok(()),
            Missing::Refuse => Err(Errno::ENOENT),
            Missing::Directory => make(root, &mount.target, SFlag::S_IFDIR, mount.links),
            Missing::File => make(root, &mount.target, SFlag::S_IFREG, mount.links),
        },
        found => found,
    }
    .map_err(at(Part::Target))?;
    if let MountSource::Machine {
        adopt_owner: true, ..
    } = mount.source
    {
        adopt_owner(&tree, &target).map_err(at(Part::Source))?;
    }
    let target = match holds(Rule::R08) {
        true => target,
        // What a runtime did that mounts on a path: it is looked up again.
        false => openat(root, mount.target.as_c_str(), OFlag::O_PATH, Mode::empty())
            .map_err(at(Part::Target))?,
    };
    attach(tree.as_fd(), target.as_fd()).map_err(at(Part::Attach))
}

pub(super) fn make_read_only(path: &CStr, registers: &Registers<'_>) -> Result<(), StepError> {
    let target = find(
        registers.root().map_err(at(Part::Target))?.as_fd(),
        path,
        Links::Followed,
    )
    .map_err(at(Part::Target))?;
    let flags = MountFlags {
        read_only: true,
        ..MountFlags::default()
    };
    restrict(target.as_fd(), flags, None, false).map_err(at(Part::Whole))
}

/// Files are covered by the null device, directories by one empty read-only tmpfs for all.
pub(super) fn mask(path: &CStr, registers: &mut Registers<'_>) -> Result<(), StepError> {
    let target = match find(
        registers.root().map_err(at(Part::Target))?.as_fd(),
        path,
        Links::Followed,
    ) {
        Err(Errno::ENOENT) => return Ok(()),
        found => found.map_err(at(Part::Target))?,
    };
    let is_directory = fstat(&target).map_err(at(Part::Target))?.st_mode & S_IFMT == S_IFDIR;
    let mask = if is_directory {
        registers.empty.as_ref()
    } else {
        registers.mask.as_ref()
    };
    if let Some(mask) = mask {
        let copy = clone_tree(mask.as_fd(), c"", false).map_err(at(Part::Source))?;
        return attach(copy.as_fd(), target.as_fd()).map_err(at(Part::Attach));
    }
    if !is_directory {
        let null = registers.null.as_ref();
        let null = null.ok_or((Part::Source, Errno::EBADF))?;
        let mask = unchanging(null.as_fd()).map_err(at(Part::Source))?;
        attach(mask.as_fd(), target.as_fd()).map_err(at(Part::Attach))?;
        registers.mask = Some(mask);
        return Ok(());
    }
    let flags = MountFlags {
        read_only: true,
        nosuid: true,
        nodev: true,
        noexec: true,
    };
    let empty = empty_directory(flags).map_err(at(Part::Source))?;
    attach(empty.as_fd(), target.as_fd()).map_err(at(Part::Attach))?;
    registers.empty = Some(empty);
    Ok(())
}

/// The null device as a mask: read and written as ever, but its owner and mode, which are the
/// machine's, stay (rule R22): in the machine's user namespace root would own it.
fn unchanging(null: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let mask = clone_tree(null, c"", false)?;
    if holds(Rule::R22) {
        let flags = MountFlags {
            read_only: true,
            nosuid: true,
            nodev: false,
            noexec: true,
        };
        restrict(mask.as_fd(), flags, None, false)?;
    }
    Ok(mask)
}

fn empty_directory(flags: MountFlags) -> Result<OwnedFd, Errno> {
    let context = FsContext::open(c"tmpfs")?;
    context.set(c"mode", c"0755")?;
    context.set(c"nr_inodes", c"2")?;
    context.set(c"size", c"4k")?;
    context.mount(flags)
}

/// A mount of the place on itself, read-only.
pub(super) fn read_only_path(path: &CStr, registers: &Registers<'_>) -> Result<(), StepError> {
    let target = match find(
        registers.root().map_err(at(Part::Target))?.as_fd(),
        path,
        Links::Followed,
    ) {
        Err(Errno::ENOENT) => return Ok(()),
        found => found.map_err(at(Part::Target))?,
    };
    let tree = clone_tree(target.as_fd(), c"", true).map_err(at(Part::Source))?;
    let flags = MountFlags {
        read_only: true,
        nosuid: true,
        nodev: true,
        noexec: true,
    };
    restrict(tree.as_fd(), flags, None, true).map_err(at(Part::Whole))?;
    attach(tree.as_fd(), target.as_fd()).map_err(at(Part::Attach))
}

/// The machine's `/dev/null`, before any container code has run in this mount namespace (R4).
pub(super) fn open_null() -> Result<OwnedFd, StepError> {
    let null = open_machine_path(c"/dev/null", OFlag::O_NOFOLLOW).map_err(at(Part::Source))?;
    let status = fstat(&null).map_err(at(Part::Source))?;
    let is_null = status.st_mode & S_IFMT == S_IFCHR && status.st_rdev == makedev(1, 3);
    if !is_null && holds(Rule::R04) {
        return Err((Part::Source, Errno::ENODEV));
    }
    Ok(null)
}

fn idmap(wanted: bool, namespaces: &KeptNamespaces) -> Result<Option<BorrowedFd<'_>>, StepError> {
    if !wanted {
        return Ok(None);
    }
    namespaces
        .user
        .as_ref()
        .map(|user| Some(user.as_fd()))
        .ok_or((Part::Idmap, Errno::EBADF))
}

/// A writable volume must be that (rule R18). An empty one starts with the owner and mode of the
/// directory that it covers.
fn adopt_owner(tree: &OwnedFd, target: &OwnedFd) -> Result<(), Errno> {
    if fstatvfs(tree)?.flags().contains(FsFlags::ST_RDONLY) {
        return Err(Errno::EROFS);
    }
    let wanted = fstat(target)?;
    if wanted.st_mode & S_IFMT != S_IFDIR || fstat(tree)?.st_mode & S_IFMT != S_IFDIR {
        return Ok(());
    }
    let volume = openat(
        tree,
        c".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    if path::directory_is_empty(volume.as_fd())? {
        adopt(&volume, &wanted)
    } else {
        Ok(())
    }
}

fn adopt(directory: &OwnedFd, wanted: &FileStat) -> Result<(), Errno> {
    let (uid, gid) = (Some(wanted.st_uid.into()), Some(wanted.st_gid.into()));
    fchownat(directory, c"", uid, gid, AtFlags::AT_EMPTY_PATH)?;
    fchmod(directory, Mode::from_bits_truncate(wanted.st_mode))
}
