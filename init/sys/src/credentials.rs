//! Who a child becomes before it execs (credentials(7), capabilities(7)).
//!
//! Raw system calls: the C library's wrappers try to change all threads, of which a forked child
//! has one. All functions are child-safe.

use nix::errno::Errno;

/// A set of capabilities, bit n for capability n of linux/capability.h.
pub type CapabilitySet = u64;

/// Sets the supplementary groups, then all group ids, then all user ids.
///
/// # Errors
/// The errno of setgroups(2), setresgid(2) or setresuid(2).
pub fn set_ids(uid: u32, gid: u32, groups: &[u32]) -> Result<(), Errno> {
    // SAFETY: the list is live and has the length given; gid_t is a u32.
    Errno::result(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
    // SAFETY: three integers.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: three integers.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// Takes everything but `kept` out of the bounding set.
///
/// # Errors
/// The errno of prctl(2) PR_CAPBSET_DROP; EPERM without CAP_SETPCAP.
pub fn limit_bounding_set(kept: CapabilitySet) -> Result<(), Errno> {
    for capability in (0..64_u32).filter(|number| kept & (1 << number) == 0) {
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            // The kernel's last capability has been passed.
            Err(Errno::EINVAL) => return Ok(()),
            result => result?,
        }
    }
    Ok(())
}

/// Makes the permitted capabilities survive the change to a user id that is not 0.
///
/// # Errors
/// The errno of prctl(2) PR_SET_KEEPCAPS.
pub fn keep_over_set_ids() -> Result<(), Errno> {
    prctl(libc::PR_SET_KEEPCAPS, 1, 0)
}

/// Sets the permitted and effective sets to `held` and the inheritable one to `inheritable`.
///
/// # Errors
/// The errno of capset(2).
pub fn set_capabilities(held: CapabilitySet, inheritable: CapabilitySet) -> Result<(), Errno> {
    let header = CapHeader {
        version: LINUX_CAPABILITY_VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| {
        let part = |set: u64| u32::try_from(set >> shift & u64::from(u32::MAX)).unwrap_or(0);
        CapHalf {
            effective: part(held),
            permitted: part(held),
            inheritable: part(inheritable),
        }
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 reads one header and two halves, all live.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })
        .map(drop)
}

/// Raises these in the ambient set: they must be permitted and inheritable.
///
/// # Errors
/// The errno of prctl(2) PR_CAP_AMBIENT_RAISE.
pub fn raise_ambient(set: CapabilitySet) -> Result<(), Errno> {
    (0..64_u32)
        .filter(|number| set & (1 << number) != 0)
        .try_for_each(|number| prctl(libc::PR_CAP_AMBIENT, AMBIENT_RAISE, number))
}

/// No program that is executed from now on gains privileges (PR_SET_NO_NEW_PRIVS).
///
/// # Errors
/// The errno of prctl(2).
pub fn no_new_privileges() -> Result<(), Errno> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// Nobody without CAP_SYS_PTRACE in the machine's own user namespace may look at the caller (its
/// memory, descriptors, executable) from now until it execs, whatever namespaces and ids it takes
/// on (PR_SET_DUMPABLE, rule R1).
///
/// # Errors
/// The errno of prctl(2).
pub fn hide_until_exec() -> Result<(), Errno> {
    prctl(libc::PR_SET_DUMPABLE, 0, 0)
}

/// Sets the soft and the hard limit of a resource, by its number in asm-generic/resource.h.
///
/// # Errors
/// The errno of prlimit(2); EPERM when it would raise the hard limit without CAP_SYS_RESOURCE in the
/// machine's user namespace.
pub fn set_limit(resource: u8, soft: u64, hard: u64) -> Result<(), Errno> {
    let resource = libc::c_int::from(resource);
    let limit = [soft, hard];
    let old = std::ptr::null_mut::<u64>();
    // SAFETY: struct rlimit64 is two u64, soft and hard; the old limit is not asked for.
    Errno::result(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, limit.as_ptr(), old) })
        .map(drop)
}

fn prctl(option: i32, first: u32, second: u32) -> Result<(), Errno> {
    let [first, second] = [libc::c_ulong::from(first), libc::c_ulong::from(second)];
    let zero: libc::c_ulong = 0;
    // SAFETY: the options used here take integers only.
    Errno::result(unsafe { libc::prctl(option, first, second, zero, zero) }).map(drop)
}

const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;
const AMBIENT_RAISE: u32 = 2;

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
struct CapHalf {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}
