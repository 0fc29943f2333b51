//! Installing a seccomp filter (seccomp(2)).

use nix::errno::Errno;

/// One instruction of classic BPF (struct sock_filter of linux/filter.h).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// How many instructions to skip when the condition holds.
    pub jt: u8,
    /// How many when it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// Filters the caller's system calls from now on, over exec. Needs no_new_privs or CAP_SYS_ADMIN.
/// Child-safe.
///
/// # Errors
/// EINVAL for a program that the kernel's checker refuses; EACCES without the privilege.
pub fn install(program: &[Instruction]) -> Result<(), Errno> {
    let program = Program {
        length: u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?,
        instructions: program.as_ptr(),
    };
    let (mode, filter) = (libc::SECCOMP_MODE_FILTER, &raw const program);
    // SAFETY: `program` has the layout of struct sock_fprog and points to as many live
    // instructions as it says; the kernel copies them.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, filter, 0, 0) }).map(drop)
}

/// struct sock_fprog.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}
