//! execve(2) with everything prepared before the fork.

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// An argument or environment list in the form that execve wants: nothing is allocated later.
pub struct StringVector {
    strings: Vec<CString>,
    /// Points into `strings`, whose heap buffers never move; ends with null.
    pointers: Vec<*const c_char>,
}

impl StringVector {
    /// The list of these strings.
    #[must_use]
    pub fn new(strings: Vec<CString>) -> Self {
        let pointers = strings
            .iter()
            .map(|string| string.as_ptr())
            .chain([std::ptr::null()])
            .collect();
        Self { strings, pointers }
    }

    /// The strings.
    #[must_use]
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }
}

impl Clone for StringVector {
    fn clone(&self) -> Self {
        Self::new(self.strings.clone())
    }
}

impl PartialEq for StringVector {
    fn eq(&self, other: &Self) -> bool {
        self.strings == other.strings
    }
}

impl Eq for StringVector {}

impl fmt::Debug for StringVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.strings.fmt(f)
    }
}

/// Becomes the program at `path`; returns only the errno of a failure. Child-safe.
pub fn execve(path: &CStr, argv: &StringVector, envp: &StringVector) -> Errno {
    // SAFETY: path ends in NUL; both lists end in null and point to live strings.
    unsafe {
        libc::execve(
            path.as_ptr(),
            argv.pointers.as_ptr(),
            envp.pointers.as_ptr(),
        )
    };
    Errno::last()
}

/// Becomes the program that is open as `program`; returns only the errno of a failure. Child-safe.
pub fn execve_fd(program: BorrowedFd<'_>, argv: &StringVector, envp: &StringVector) -> Errno {
    let (fd, empty) = (program.as_raw_fd(), c"".as_ptr());
    let (argv, envp) = (argv.pointers.as_ptr(), envp.pointers.as_ptr());
    // SAFETY: the path is empty as AT_EMPTY_PATH wants; both lists end in null and point to live
    // strings.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd,
            empty,
            argv,
            envp,
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::last()
}
