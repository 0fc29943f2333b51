//! Places in the container: every path is walked by openat2 from the root's descriptor, without
//! leaving it (rule R7), and what is missing is made.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use libc::{S_IFBLK, S_IFCHR, S_IFMT, makedev};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat, mknodat, stat};
use nix::unistd::{chown, fchownat, symlinkat};

use super::child::Registers;
use super::report::{Part, StepError, at};
use crate::plan::{Device, Links, Place};
use crate::weaken::{Rule, holds};

/// The directory that something is made in. Places of one directory come in a row: it is found once.
fn parent<'fd, 'plan>(
    place: &'plan Place,
    registers: &'fd mut Registers<'plan>,
) -> Result<BorrowedFd<'fd>, StepError> {
    let found = match registers.parent.take() {
        Some((path, parent)) if *path == *place.parent => parent,
        _ => registers
            .root()
            .and_then(|root| find(root.as_fd(), &place.parent, Links::Followed))
            .map_err(at(Part::Target))?,
    };
    let (_, found) = registers.parent.insert((&place.parent, found));
    Ok((*found).as_fd())
}

pub(super) fn directory<'plan>(
    place: &'plan Place,
    registers: &mut Registers<'plan>,
) -> Result<(), StepError> {
    let parent = parent(place, registers)?;
    match mkdirat(
        parent,
        place.name.as_c_str(),
        Mode::from_bits_truncate(0o755),
    ) {
        Err(Errno::EEXIST) => Ok(()),
        result => result
            .and_then(|()| own(parent, place))
            .map_err(at(Part::Whole)),
    }
}

pub(super) fn node<'plan>(
    place: &'plan Place,
    device: &Device,
    mode: u32,
    registers: &mut Registers<'plan>,
) -> Result<(), StepError> {
    let (kind, number) = match device {
        Device::Character { major, minor } => (SFlag::S_IFCHR, makedev(*major, *minor)),
        Device::SameAs(path) => {
            let status = stat(path.as_c_str()).map_err(at(Part::Source))?;
            if !holds(Rule::R22) {
                // What a runtime did that hands the machine's own node in.
                let (uid, gid) = (Some(place.uid.into()), Some(place.gid.into()));
                chown(path.as_c_str(), uid, gid).map_err(at(Part::Source))?;
            }
            match status.st_mode & S_IFMT {
                S_IFCHR => (SFlag::S_IFCHR, status.st_rdev),
                S_IFBLK => (SFlag::S_IFBLK, status.st_rdev),
                _ => return Err((Part::Source, Errno::ENODEV)),
            }
        }
    };
    let parent = parent(place, registers)?;
    mknodat(
        parent,
        place.name.as_c_str(),
        kind,
        Mode::from_bits_truncate(mode),
        number,
    )
    .and_then(|()| own(parent, place))
    .map_err(at(Part::Whole))
}

pub(super) fn symlink<'plan>(
    content: &CStr,
    place: &'plan Place,
    registers: &mut Registers<'plan>,
) -> Result<(), StepError> {
    let parent = parent(place, registers)?;
    symlinkat(content, parent, place.name.as_c_str())
        .and_then(|()| own(parent, place))
        .map_err(at(Part::Whole))
}

/// The place in the container. `/proc`, `/sys` and `/dev` must not be reached through a symlink
/// (CVE-2026-41579); elsewhere symlinks are the image's and end inside the root, unless the plan
/// knows that they may be others'.
pub(super) fn find(root: BorrowedFd<'_>, target: &CStr, links: Links) -> Result<OwnedFd, Errno> {
    let first = target.to_bytes().split(|&byte| byte == b'/').next();
    let mut resolve = ResolveFlag::RESOLVE_IN_ROOT;
    if links == Links::Refused || matches!(first, Some(b"proc" | b"sys" | b"dev")) {
        resolve |= ResolveFlag::RESOLVE_NO_SYMLINKS;
    }
    if !holds(Rule::R07) {
        resolve = ResolveFlag::empty();
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
///
/// Apart, with its buffers: in the frame of every mount they would be pages of the stack that each
/// child copies.
#[cold]
#[inline(never)]
pub(super) fn make(
    root: BorrowedFd<'_>,
    target: &CStr,
    kind: SFlag,
    links: Links,
) -> Result<OwnedFd, Errno> {
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
            Err(Errno::EROFS) if !exists(root, bytes, end, links) => return Err(Errno::ENOENT),
            Err(Errno::EROFS) => {}
            Err(errno) => return Err(errno),
        }
        parent = Some(find(
            root,
            terminated(&mut prefix, bytes.get(..end).ok_or(Errno::EINVAL)?)?,
            links,
        )?);
        start = end + 1;
    }
    parent.ok_or(Errno::ENOENT)
}

fn exists(root: BorrowedFd<'_>, path: &[u8], end: usize, links: Links) -> bool {
    let mut buffer = [0_u8; 4096];
    let prefix = path
        .get(..end)
        .ok_or(Errno::EINVAL)
        .and_then(|bytes| terminated(&mut buffer, bytes));
    prefix.and_then(|prefix| find(root, prefix, links)).is_ok()
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

fn own(parent: BorrowedFd<'_>, place: &Place) -> Result<(), Errno> {
    let (uid, gid) = (Some(place.uid.into()), Some(place.gid.into()));
    fchownat(
        parent,
        place.name.as_c_str(),
        uid,
        gid,
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )
}
