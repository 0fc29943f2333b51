//! The mounting steps. Every place in the container is found by openat2 from the root's
//! descriptor, without leaving it, and mounted on by descriptor (rules R7, R8).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::libc::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT, makedev};
use nix::mount::MsFlags;
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, mkdirat, mknodat, stat};
use nix::unistd::{fchownat, symlinkat};
use orlop_sys::mount_api::{FsContext, MountFlags, attach, clone_tree, restrict};
use orlop_sys::path;

use super::child::{Registers, open_machine_path};
use super::report::{Part, StepError, at};
use crate::namespaces::KeptNamespaces;
use crate::plan::{Device, Missing, Mount, MountSource, Overlay, Place, RootMount};

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
    let staging = open_machine_path(&root.staging).map_err(at(Part::Target))?;
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
    registers: &Registers,
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
                *recursive,
            )
            .map_err(at(Part::Idmap))?;
            tree
        }
    };
    let target = match find(root, &mount.target) {
        Err(Errno::ENOENT) => match mount.missing {
            Missing::Skip => return Ok(()),
            Missing::Refuse => Err(Errno::ENOENT),
            Missing::Directory => make(root, &mount.target, SFlag::S_IFDIR),
            Missing::File => make(root, &mount.target, SFlag::S_IFREG),
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
    attach(tree.as_fd(), target.as_fd()).map_err(at(Part::Attach))
}

pub(super) fn directory(place: &Place, registers: &Registers) -> Result<(), StepError> {
    let parent = find(
        registers.root().map_err(at(Part::Target))?.as_fd(),
        &place.parent,
    )
    .map_err(at(Part::Target))?;
    match mkdirat(
        &parent,
        place.name.as_c_str(),
        Mode::from_bits_truncate(0o755),
    ) {
        Err(Errno::EEXIST) => Ok(()),
        result => result
            .and_then(|()| own(&parent, place))
            .map_err(at(Part::Whole)),
    }
}

pub(super) fn node(
    place: &Place,
    device: &Device,
    mode: u32,
    registers: &Registers,
) -> Result<(), StepError> {
    let (kind, number) = match device {
        Device::Character { major, minor } => (SFlag::S_IFCHR, makedev(*major, *minor)),
        Device::SameAs(path) => {
            let status = stat(path.as_c_str()).map_err(at(Part::Source))?;
            match status.st_mode & S_IFMT {
                S_IFCHR => (SFlag::S_IFCHR, status.st_rdev),
                S_IFBLK => (SFlag::S_IFBLK, status.st_rdev),
                _ => return Err((Part::Source, Errno::ENODEV)),
            }
        }
    };
    let parent = find(
        registers.root().map_err(at(Part::Target))?.as_fd(),
        &place.parent,
    )
    .map_err(at(Part::Target))?;
    mknodat(
        &parent,
        place.name.as_c_str(),
        kind,
        Mode::from_bits_truncate(mode),
        number,
    )
    .and_then(|()| own(&parent, place))
    .map_err(at(Part::Whole))
}

pub(super) fn symlink(
    content: &CStr,
    place: &Place,
    registers: &Registers,
) -> Result<(), StepError> {
    let parent = find(
        registers.root().map_err(at(Part::Target))?.as_fd(),
        &place.parent,
    )
    .map_err(at(Part::Target))?;
    symlinkat(content, &parent, place.name.as_c_str())
        .and_then(|()| own(&parent, place))
        .map_err(at(Part::Whole))
}

pub(super) fn make_read_only(path: &CStr, registers: &Registers) -> Result<(), StepError> {
    let target = find(registers.root().map_err(at(Part::Target))?.as_fd(), path)
        .map_err(at(Part::Target))?;
    let flags = MountFlags {
        read_only: true,
        ..MountFlags::default()
    };
    restrict(target.as_fd(), flags, None, false).map_err(at(Part::Whole))
}

/// Files are covered by the null device, directories by one empty read-only tmpfs for all.
pub(super) fn mask(path: &CStr, registers: &mut Registers) -> Result<(), StepError> {
    let target = match find(registers.root().map_err(at(Part::Target))?.as_fd(), path) {
        Err(Errno::ENOENT) => return Ok(()),
        found => found.map_err(at(Part::Target))?,
    };
    let is_directory = fstat(&target).map_err(at(Part::Target))?.st_mode & S_IFMT == S_IFDIR;
    let mask = if is_directory {
        registers.empty.as_ref()
    } else {
        registers.null.as_ref()
    };
    if let Some(mask) = mask {
        let copy = clone_tree(mask.as_fd(), c"", false).map_err(at(Part::Source))?;
        return attach(copy.as_fd(), target.as_fd()).map_err(at(Part::Attach));
    }
    if !is_directory {
        return Err((Part::Source, Errno::EBADF));
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

fn empty_directory(flags: MountFlags) -> Result<OwnedFd, Errno> {
    let context = FsContext::open(c"tmpfs")?;
    context.set(c"mode", c"0755")?;
    context.set(c"nr_inodes", c"2")?;
    context.set(c"size", c"4k")?;
    context.mount(flags)
}

/// A mount of the place on itself, read-only.
pub(super) fn read_only_path(path: &CStr, registers: &Registers) -> Result<(), StepError> {
    let target = match find(registers.root().map_err(at(Part::Target))?.as_fd(), path) {
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
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let null = open(c"/dev/null", flags, Mode::empty()).map_err(at(Part::Source))?;
    let status = fstat(&null).map_err(at(Part::Source))?;
    if status.st_mode & S_IFMT != S_IFCHR || status.st_rdev != makedev(1, 3) {
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

/// The place in the container. `/proc`, `/sys` and `/dev` must not be reached through a symlink
/// (CVE-2026-41579); elsewhere symlinks are the image's and end inside the root.
fn find(root: BorrowedFd<'_>, target: &CStr) -> Result<OwnedFd, Errno> {
    let first = target.to_bytes().split(|&byte| byte == b'/').next();
    let mut resolve = ResolveFlag::RESOLVE_IN_ROOT;
    if matches!(first, Some(b"proc" | b"sys" | b"dev")) {
        resolve |= ResolveFlag::RESOLVE_NO_SYMLINKS;
    }
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(resolve);
    // EAGAIN: a rename elsewhere raced with the walk.
    for _ in 0..64 {
        match openat2(root, target, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            result => return result,
        }
    }
    Err(Errno::EAGAIN)
}

/// Makes a missing target with its parents, owned as the root directory is. A read-only image says
/// ENOENT, as the plain search does: the remedy is the same.
fn make(root: BorrowedFd<'_>, target: &CStr, kind: SFlag) -> Result<OwnedFd, Errno> {
    let owner = fstat(root)?;
    let mut prefix = [0_u8; 4096];
    let bytes = target.to_bytes();
    let mut parent: Option<OwnedFd> = None;
    let mut start = 0;
    while start < bytes.len() {
        let end = bytes
            .iter()
            .skip(start)
            .position(|&byte| byte == b'/')
            .map_or(bytes.len(), |length| start + length);
        let last = end == bytes.len();
        let name = terminated(&mut prefix, bytes.get(start..end).ok_or(Errno::EINVAL)?)?;
        let directory = parent.as_ref().map_or(root, AsFd::as_fd);
        let made = match kind {
            SFlag::S_IFREG if last => mknodat(
                directory,
                name,
                SFlag::S_IFREG,
                Mode::from_bits_truncate(0o644),
                0,
            ),
            _ => mkdirat(directory, name, Mode::from_bits_truncate(0o755)),
        };
        match made {
            Ok(()) => {
                let (uid, gid) = (Some(owner.st_uid.into()), Some(owner.st_gid.into()));
                fchownat(directory, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            }
            Err(Errno::EEXIST) => {}
            Err(Errno::EROFS) if !exists(root, bytes, end) => return Err(Errno::ENOENT),
            Err(Errno::EROFS) => {}
            Err(errno) => return Err(errno),
        }
        parent = Some(find(
            root,
            terminated(&mut prefix, bytes.get(..end).ok_or(Errno::EINVAL)?)?,
        )?);
        start = end + 1;
    }
    parent.ok_or(Errno::ENOENT)
}

fn exists(root: BorrowedFd<'_>, path: &[u8], end: usize) -> bool {
    let mut buffer = [0_u8; 4096];
    let prefix = path
        .get(..end)
        .ok_or(Errno::EINVAL)
        .and_then(|bytes| terminated(&mut buffer, bytes));
    prefix.and_then(|prefix| find(root, prefix)).is_ok()
}

fn terminated<'a>(buffer: &'a mut [u8; 4096], bytes: &[u8]) -> Result<&'a CStr, Errno> {
    buffer
        .get_mut(..bytes.len())
        .ok_or(Errno::ENAMETOOLONG)?
        .copy_from_slice(bytes);
    *buffer.get_mut(bytes.len()).ok_or(Errno::ENAMETOOLONG)? = 0;
    let all = buffer.get(..=bytes.len()).ok_or(Errno::ENAMETOOLONG)?;
    CStr::from_bytes_with_nul(all).map_err(|_| Errno::EINVAL)
}

fn own(parent: &OwnedFd, place: &Place) -> Result<(), Errno> {
    let (uid, gid) = (Some(place.uid.into()), Some(place.gid.into()));
    fchownat(
        parent,
        place.name.as_c_str(),
        uid,
        gid,
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )
}

/// An empty volume starts with the owner and mode of the directory that it covers.
fn adopt_owner(tree: &OwnedFd, target: &OwnedFd) -> Result<(), Errno> {
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
