//! No unwinder: nothing in the machine unwinds (panic = "abort"), and nothing has unwind tables (they
//! are dropped when it is linked), so std's code that walks and names frames can never say anything.
//!
//! std reaches the unwinder by the functions of the Itanium C++ ABI ("Exception Handling", level I).
//! Defined here they take the place of libunwind's, which is an archive: its members are linked only
//! for what is still missing. Link-time optimization then sees that no frame is ever visited, and
//! drops the reader of DWARF that would have named it: 240 KB of PID 1.
//!
//! A test of the programs (`.ci/test`, step `static`) keeps both out of the machine.

use std::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`.
const END_OF_STACK: c_int = 5;

/// The walk of a stack that has no frames: `trace` is never called.
// SAFETY: the signature is the ABI's and no other definition of the name is linked (see above).
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_Backtrace(_trace: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// What std's personality routine and its frames ask of a frame: there is none, so nobody asks.
macro_rules! of_no_frame {
    ($($name:ident),+ $(,)?) => {$(
        /// Never called: there is no frame to ask about.
        // SAFETY: only the name matters; whoever could call it is handed a frame, and none exists.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> usize {
            0
        }
    )+};
}

of_no_frame!(
    _Unwind_DeleteException,
    _Unwind_FindEnclosingFunction,
    _Unwind_GetCFA,
    _Unwind_GetDataRelBase,
    _Unwind_GetIP,
    _Unwind_GetIPInfo,
    _Unwind_GetLanguageSpecificData,
    _Unwind_GetRegionStart,
    _Unwind_GetTextRelBase,
    _Unwind_RaiseException,
    _Unwind_Resume,
    _Unwind_SetGR,
    _Unwind_SetIP,
);
