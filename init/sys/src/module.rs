//! Kernel modules (finit_module(2)).

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::kmod::ModuleInitFlags;

/// Loads the uncompressed module in `file` with these parameters (`c""` for none). The caller has
/// loaded what it depends on. Takes 3–40 ms each on the emulator: run it in a [`crate::child`].
///
/// # Errors
/// The errno of finit_module(2); EEXIST when it is loaded or built in, ENOENT for a symbol that
/// another module should have brought.
pub fn load(file: BorrowedFd<'_>, parameters: &CStr) -> Result<(), Errno> {
    nix::kmod::finit_module(file, parameters, ModuleInitFlags::empty())
}
