//! Device filters of cgroups: programs of extended BPF, loaded and attached by bpf(2).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// One instruction of extended BPF (struct bpf_insn of linux/bpf.h).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// The operation.
    pub code: u8,
    /// The destination register in the lower half, the source in the upper one.
    pub registers: u8,
    /// Of a jump or a load.
    pub offset: i16,
    /// The operand.
    pub immediate: i32,
}

/// Loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE. It lives as long as the descriptor or an
/// attachment.
///
/// # Errors
/// EINVAL or EACCES for a program that the verifier refuses, or a kernel without
/// CONFIG_CGROUP_BPF; EPERM without CAP_BPF and CAP_NET_ADMIN; EAGAIN when signals kept interrupting
/// the verifier.
pub fn load_device_filter(program: &[Instruction]) -> Result<OwnedFd, Errno> {
    let attributes = Load {
        program_type: CGROUP_DEVICE_PROGRAM,
        count: u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        instructions: program.as_ptr().addr() as u64,
        licence: LICENCE.as_ptr().addr() as u64,
        ..Load::default()
    };
    let mut attempts = LOAD_ATTEMPTS;
    let fd = loop {
        attempts -= 1;
        match bpf(PROG_LOAD, &attributes) {
            // The verifier gives up when a signal is pending (kernel/bpf/verifier.c, do_check).
            Err(Errno::EAGAIN) if attempts > 0 => {}
            result => break result?,
        }
    };
    // SAFETY: the kernel has just made this descriptor for the caller.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// As many as libbpf's PROG_LOAD_ATTEMPTS.
const LOAD_ATTEMPTS: u32 = 5;

/// Attaches a device filter to a cgroup, beside those of its parents; in the place of `replaced`,
/// which is attached there, in one step.
///
/// # Errors
/// ENOENT when `replaced` is not attached; E2BIG when the cgroup has 64.
pub fn attach_device_filter(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let attributes = Attach {
        cgroup: cgroup.as_raw_fd(),
        program: program.as_raw_fd(),
        kind: CGROUP_DEVICE,
        flags: ALLOW_MULTI | if replaced.is_some() { REPLACE } else { 0 },
        replaced: replaced.map_or(0, |fd| fd.as_raw_fd()),
    };
    bpf(PROG_ATTACH, &attributes).map(drop)
}

/// How many device filters a cgroup has itself.
///
/// # Errors
/// The errno of bpf(2).
pub fn count_device_filters(cgroup: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut attributes = Query {
        cgroup: cgroup.as_raw_fd(),
        kind: CGROUP_DEVICE,
        ..Query::default()
    };
    let (pointer, size) = (&raw mut attributes, size_of::<Query>());
    // SAFETY: `attributes` has the layout of union bpf_attr for this command and the size given;
    // the kernel writes into its own fields only.
    Errno::result(unsafe { libc::syscall(libc::SYS_bpf, PROG_QUERY, pointer, size) })?;
    Ok(attributes.count)
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> Result<RawFd, Errno> {
    let (pointer, size) = (std::ptr::from_ref(attributes), size_of::<T>());
    // SAFETY: both structs here have the layout of union bpf_attr for their command and the size
    // given; what they point to outlives the call, and the kernel writes nothing.
    let result = Errno::result(unsafe { libc::syscall(libc::SYS_bpf, command, pointer, size) })?;
    RawFd::try_from(result).map_err(|_| Errno::EBADF)
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_QUERY: libc::c_int = 16;
const CGROUP_DEVICE_PROGRAM: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;
const REPLACE: u32 = 1 << 2;
const LICENCE: &std::ffi::CStr = c"Apache-2.0";

#[repr(C)]
#[derive(Default)]
struct Load {
    program_type: u32,
    count: u32,
    instructions: u64,
    licence: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

#[repr(C)]
struct Attach {
    cgroup: RawFd,
    program: RawFd,
    kind: u32,
    flags: u32,
    replaced: RawFd,
}

#[repr(C)]
#[derive(Default)]
struct Query {
    cgroup: RawFd,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}
