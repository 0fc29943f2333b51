//! The mount system calls that work on descriptors (open_tree(2), move_mount(2), mount_setattr(2),
//! fsopen(2)): a path is resolved once and cannot be swapped afterwards (rule R8).

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// What a mount forbids (MOUNT_ATTR_* of linux/mount.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MountFlags {
    /// MOUNT_ATTR_RDONLY.
    pub read_only: bool,
    /// MOUNT_ATTR_NOSUID.
    pub nosuid: bool,
    /// MOUNT_ATTR_NODEV.
    pub nodev: bool,
    /// MOUNT_ATTR_NOEXEC.
    pub noexec: bool,
}

impl MountFlags {
    const fn bits(self) -> u32 {
        (self.read_only as u32)
            | (self.nosuid as u32) << 1
            | (self.nodev as u32) << 2
            | (self.noexec as u32) << 3
    }
}

/// A detached copy of the mount at `path` (with what is mounted below it when `recursive`); an
/// empty path means `directory` itself. A final symlink is not followed. Child-safe.
///
/// # Errors
/// The errno of open_tree(2). Before Linux 6.15 a mount that is itself detached cannot be copied
/// (EINVAL).
pub fn clone_tree(
    directory: BorrowedFd<'_>,
    path: &CStr,
    recursive: bool,
) -> Result<OwnedFd, Errno> {
    let mut flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
    if recursive {
        flags |= AT_RECURSIVE;
    }
    // SAFETY: `path` is a live string ending in NUL; the rest are integers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_open_tree,
            directory.as_raw_fd(),
            path.as_ptr(),
            flags,
        )
    };
    // SAFETY: open_tree returns a new descriptor.
    unsafe { adopt(result) }
}

/// Attaches the detached mount `tree` on top of `target`, which is a descriptor of the place.
/// `tree` refers to the attached mount afterwards. Child-safe.
///
/// # Errors
/// The errno of move_mount(2).
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let empty = c"".as_ptr();
    // SAFETY: both paths are live strings ending in NUL; the rest are integers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            empty,
            target.as_raw_fd(),
            empty,
            MOVE_MOUNT_BOTH_EMPTY,
        )
    };
    Errno::result(result).map(drop)
}

/// Adds flags to a mount, and ids to a detached one: `idmap` is a user namespace whose map decides
/// how owners appear. Child-safe.
///
/// # Errors
/// The errno of mount_setattr(2); EINVAL for a file system that cannot be idmapped.
pub fn restrict(
    tree: BorrowedFd<'_>,
    flags: MountFlags,
    idmap: Option<BorrowedFd<'_>>,
    recursive: bool,
) -> Result<(), Errno> {
    let mut attributes = MountAttr {
        set: u64::from(flags.bits()),
        clear: 0,
        propagation: 0,
        userns_fd: 0,
    };
    if let Some(userns) = idmap {
        attributes.set |= MOUNT_ATTR_IDMAP;
        attributes.userns_fd = u64::try_from(userns.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    }
    let at = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let fd = tree.as_raw_fd();
    // SAFETY: `attributes` has the layout and size of struct mount_attr and lives over the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            c"".as_ptr(),
            at,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// A file system under construction (fsopen(2)).
#[derive(Debug)]
pub struct FsContext(OwnedFd);

impl FsContext {
    /// Starts one of this type. Child-safe, as are all its methods.
    ///
    /// # Errors
    /// The errno of fsopen(2); ENODEV when the kernel does not have that type.
    pub fn open(fstype: &CStr) -> Result<Self, Errno> {
        // SAFETY: `fstype` is a live string ending in NUL.
        let result = unsafe { libc::syscall(libc::SYS_fsopen, fstype.as_ptr(), FSOPEN_CLOEXEC) };
        // SAFETY: fsopen returns a new descriptor.
        unsafe { adopt(result) }.map(Self)
    }

    /// Sets `key=value`.
    ///
    /// # Errors
    /// The errno of fsconfig(2).
    pub fn set(&self, key: &CStr, value: &CStr) -> Result<(), Errno> {
        self.configure(FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr())
    }

    /// Sets an option without a value, such as `newinstance`.
    ///
    /// # Errors
    /// The errno of fsconfig(2).
    pub fn set_flag(&self, key: &CStr) -> Result<(), Errno> {
        self.configure(FSCONFIG_SET_FLAG, key.as_ptr(), std::ptr::null())
    }

    /// Makes the file system and a detached mount of it.
    ///
    /// # Errors
    /// The errno of fsconfig(2) or fsmount(2).
    pub fn mount(self, flags: MountFlags) -> Result<OwnedFd, Errno> {
        self.configure(FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
        let fd = self.0.as_raw_fd();
        // SAFETY: fsmount takes three integers.
        let result = unsafe { libc::syscall(libc::SYS_fsmount, fd, FSMOUNT_CLOEXEC, flags.bits()) };
        // SAFETY: fsmount returns a new descriptor.
        unsafe { adopt(result) }
    }

    fn configure(
        &self,
        command: u32,
        key: *const libc::c_char,
        value: *const libc::c_char,
    ) -> Result<(), Errno> {
        let fd = self.0.as_fd().as_raw_fd();
        // SAFETY: key and value are null or live strings ending in NUL, as the command wants.
        let result = unsafe { libc::syscall(libc::SYS_fsconfig, fd, command, key, value, 0) };
        Errno::result(result).map(drop)
    }
}

/// # Safety
/// `result` is what a system call returned that makes a descriptor which nobody else owns.
unsafe fn adopt(result: libc::c_long) -> Result<OwnedFd, Errno> {
    let number = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: as the caller promises.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

const OPEN_TREE_CLONE: i32 = 1;
const OPEN_TREE_CLOEXEC: i32 = libc::O_CLOEXEC;
const AT_EMPTY_PATH: i32 = libc::AT_EMPTY_PATH;
const AT_SYMLINK_NOFOLLOW: i32 = libc::AT_SYMLINK_NOFOLLOW;
const AT_RECURSIVE: i32 = 0x8000;
const MOVE_MOUNT_BOTH_EMPTY: u32 = 0x04 | 0x40;
const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;

/// struct mount_attr of linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}
