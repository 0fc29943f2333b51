//! A mounted ext4's own calls (linux fs/ext4/ext4.h), and its project quotas (quotactl_fd(2), ioctl of
//! linux/fs.h). All of them wait for the disk.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

const RESIZE_FS: libc::Ioctl = 0x4008_6610;
const SETFSUUID: libc::Ioctl = 0x4008_662c;
const FSGETXATTR: libc::Ioctl = 0x801c_581f_u32 as libc::Ioctl;
const FSSETXATTR: libc::Ioctl = 0x401c_5820;
const XFLAG_PROJINHERIT: u32 = 0x200;
/// QCMD(Q_SETQUOTA, PRJQUOTA) of linux/quota.h.
const SET_PROJECT_QUOTA: libc::c_ulong = (0x0080_0008 << 8) | 2;
/// QIF_BLIMITS.
const BLOCK_LIMITS: u32 = 1;
/// What a limit of blocks is counted in (QIF_DQBLKSIZE).
pub const QUOTA_BLOCK: u64 = 1024;

/// Grows the file system that a descriptor is on to this many of its blocks. May take seconds.
///
/// # Errors
/// The errno of ioctl(2): EINVAL when the device has fewer.
pub fn resize(on: BorrowedFd<'_>, blocks: u64) -> Result<(), Errno> {
    // SAFETY: EXT4_IOC_RESIZE_FS reads one u64, which lives until after the call.
    Errno::result(unsafe { libc::ioctl(on.as_raw_fd(), RESIZE_FS, &raw const blocks) }).map(drop)
}

/// Gives the file system that a descriptor is on another UUID, in all of its superblocks.
///
/// # Errors
/// The errno of ioctl(2): EOPNOTSUPP without the feature `metadata_csum_seed`.
pub fn set_uuid(on: BorrowedFd<'_>, uuid: [u8; 16]) -> Result<(), Errno> {
    let argument = FsUuid {
        length: 16,
        flags: 0,
        uuid,
    };
    // SAFETY: EXT4_IOC_SETFSUUID reads struct fsuuid with as many bytes behind it as it says.
    Errno::result(unsafe { libc::ioctl(on.as_raw_fd(), SETFSUUID, &raw const argument) }).map(drop)
}

/// Which project the blocks of a file or directory count for; 0 is none's.
///
/// # Errors
/// The errno of ioctl(2): ENOTTY where the file system has no projects.
pub fn project(of: BorrowedFd<'_>) -> Result<u32, Errno> {
    attributes(of).map(|attributes| attributes.project)
}

/// Counts a file's or directory's blocks for a project; what is made in such a directory later on
/// belongs to it too.
///
/// # Errors
/// The errno of ioctl(2).
pub fn set_project(of: BorrowedFd<'_>, project: u32, is_directory: bool) -> Result<(), Errno> {
    let mut wanted = attributes(of)?;
    wanted.project = project;
    if is_directory {
        wanted.flags |= XFLAG_PROJINHERIT;
    }
    // SAFETY: FS_IOC_FSSETXATTR reads struct fsxattr, which lives until after the call.
    Errno::result(unsafe { libc::ioctl(of.as_raw_fd(), FSSETXATTR, &raw const wanted) }).map(drop)
}

fn attributes(of: BorrowedFd<'_>) -> Result<FsXattr, Errno> {
    let mut found = FsXattr::default();
    let answer = &raw mut found;
    // SAFETY: FS_IOC_FSGETXATTR writes struct fsxattr, which lives until after the call.
    Errno::result(unsafe { libc::ioctl(of.as_raw_fd(), FSGETXATTR, answer) })?;
    Ok(found)
}

/// No more than this many bytes for a project, rounded up to blocks of [`QUOTA_BLOCK`]; 0 for no
/// limit. `on` is on the file system.
///
/// # Errors
/// The errno of quotactl_fd(2): ESRCH when the file system was mounted without project quotas.
pub fn limit_project(on: BorrowedFd<'_>, project: u32, bytes: u64) -> Result<(), Errno> {
    let blocks = bytes.div_ceil(QUOTA_BLOCK);
    let limits = DiskQuota {
        block_hard_limit: blocks,
        block_soft_limit: blocks,
        valid: BLOCK_LIMITS,
        ..DiskQuota::default()
    };
    let id = libc::c_ulong::from(project);
    // SAFETY: Q_SETQUOTA reads struct if_dqblk, which lives until after the call; the descriptor is
    // open.
    let done = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            on.as_raw_fd(),
            SET_PROJECT_QUOTA,
            id,
            &raw const limits,
        )
    };
    Errno::result(done).map(drop)
}

/// struct fsuuid with its bytes.
#[repr(C)]
struct FsUuid {
    length: u32,
    flags: u32,
    uuid: [u8; 16],
}

/// struct fsxattr.
#[repr(C)]
#[derive(Default)]
struct FsXattr {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    cow_extent_size: u32,
    padding: [u8; 8],
}

/// struct if_dqblk.
#[repr(C)]
#[derive(Default)]
struct DiskQuota {
    block_hard_limit: u64,
    block_soft_limit: u64,
    space: u64,
    inode_hard_limit: u64,
    inode_soft_limit: u64,
    inodes: u64,
    block_grace: u64,
    inode_grace: u64,
    valid: u32,
}

const _: () = assert!(size_of::<FsXattr>() == 28);
const _: () = assert!(size_of::<DiskQuota>() == 72);
