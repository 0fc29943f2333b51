//! The child between clone3 and execve: prepared system calls, nothing allocated, no std.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, SealFlag, fcntl, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, umask};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::{chdir, fchdir, pivot_root, sethostname, setsid, write};
use orlop_sys::{credentials, exec, fd, path, seccomp, signals};

use super::report::{Part, Report, StepError, at};
use super::{LaunchFds, Prepared, mounts, place};
use crate::namespaces::proc_write;
use crate::plan::{Credentials, LaunchPlan, Step};
use crate::weaken::{Rule, holds};

/// What steps hand to later ones.
#[derive(Default)]
pub(crate) struct Registers<'plan> {
    /// The container's root directory.
    pub(super) root: Option<OwnedFd>,
    /// The verified null device.
    pub(super) null: Option<OwnedFd>,
    /// It as a mask of files, once that is attached.
    pub(super) mask: Option<OwnedFd>,
    /// The empty directory that masks directories, once it is attached.
    pub(super) empty: Option<OwnedFd>,
    /// Where the last place was made, by its path: good until something is mounted.
    pub(super) parent: Option<(&'plan CStr, OwnedFd)>,
}

impl Registers<'_> {
    pub(super) fn root(&self) -> Result<&OwnedFd, Errno> {
        self.root.as_ref().ok_or(Errno::EBADF)
    }
}

/// Works through the plan from the step `first` on; returns the exit code when it could not exec.
pub(crate) fn work(
    plan: &LaunchPlan,
    fds: &LaunchFds<'_>,
    prepared: &Prepared<'_>,
    first: u16,
) -> i32 {
    let mut registers = Registers::default();
    for (step, number) in plan.steps.iter().zip(0..).skip(first.into()) {
        if let Err(error) = perform(step, plan, fds, prepared, &mut registers) {
            return fail(prepared, number, error);
        }
    }
    127
}

/// Tells PID 1 what failed; gives the exit code.
pub(crate) fn fail(prepared: &Prepared<'_>, step: u16, (part, errno): StepError) -> i32 {
    let report = Report { step, part, errno };
    // Nobody else could be told.
    let _ = write(prepared.report.as_fd(), &report.to_bytes());
    127
}

/// One step, but for those of an exec's way in.
pub(crate) fn perform<'plan>(
    step: &'plan Step,
    plan: &LaunchPlan,
    fds: &LaunchFds<'_>,
    prepared: &Prepared<'_>,
    registers: &mut Registers<'plan>,
) -> Result<(), StepError> {
    if !matches!(
        step,
        Step::Directory(_) | Step::Node { .. } | Step::Symlink { .. }
    ) {
        registers.parent = None;
    }
    match step {
        Step::AttachRoot(root) => registers.root = Some(mounts::attach_root(root, fds.namespaces)?),
        Step::Mount(mount) => mounts::mount(mount, registers, fds.namespaces)?,
        Step::Directory(place) => place::directory(place, registers)?,
        Step::Node { path, device, mode } => place::node(path, device, *mode, registers)?,
        Step::Symlink { content, path } => place::symlink(content, path, registers)?,
        Step::MakeReadOnly(path) => mounts::make_read_only(path, registers)?,
        Step::Mask(path) => mounts::mask(path, registers)?,
        Step::ReadOnlyPath(path) => mounts::read_only_path(path, registers)?,
        Step::OpenNull => registers.null = Some(mounts::open_null()?),
        other => simple(other, plan, fds, prepared, registers).map_err(at(Part::Whole))?,
    }
    Ok(())
}

fn simple(
    step: &Step,
    plan: &LaunchPlan,
    fds: &LaunchFds<'_>,
    prepared: &Prepared<'_>,
    registers: &Registers<'_>,
) -> Result<(), Errno> {
    match step {
        Step::ResetSignals => signals::reset(),
        Step::NewSession if holds(Rule::R15) => setsid().map(drop),
        Step::NewSession => Ok(()),
        Step::Umask(mask) => {
            umask(Mode::from_bits_truncate(*mask));
            Ok(())
        }
        Step::WriteProc { file, value } => {
            proc_write(fds.proc.as_fd(), file.as_c_str(), value.to_bytes())
        }
        Step::PrivateMounts => {
            let none = None::<&CStr>;
            mount(
                none,
                c"/",
                none,
                MsFlags::MS_REC | MsFlags::MS_PRIVATE,
                none,
            )
        }
        Step::JoinNetwork => setns(
            fds.namespaces.net.as_ref().ok_or(Errno::EBADF)?,
            CloneFlags::CLONE_NEWNET,
        ),
        Step::Hostname(name) => sethostname(name),
        Step::Domainname(name) => {
            proc_write(fds.proc.as_fd(), c"sys/kernel/domainname", name.as_bytes())
        }
        Step::PivotRoot => {
            fchdir(registers.root()?)?;
            pivot_root(c".", c".")?;
            // The machine's root now lies over the new one, at the same place.
            umount2(c".", MntFlags::MNT_DETACH)?;
            chdir(c"/")
        }
        Step::EnterUser => {
            setns(
                fds.namespaces.user.as_ref().ok_or(Errno::EBADF)?,
                CloneFlags::CLONE_NEWUSER,
            )?;
            unshare(CloneFlags::CLONE_NEWNS)
        }
        Step::Credentials(credentials) => become_user(credentials),
        Step::Limit(limit) => credentials::set_limit(limit.number, limit.soft, limit.hard),
        Step::WorkingDir(directory) => {
            chdir(directory.as_c_str())?;
            if path::working_dir_is_inside()? || !holds(Rule::R03) {
                Ok(())
            } else {
                Err(Errno::EXDEV)
            }
        }
        Step::Descriptors => {
            prepared
                .placed()
                .try_for_each(|(number, stream)| fd::place_at(stream, number))?;
            if holds(Rule::R02) {
                fd::close_on_exec_from(prepared.after_sockets)?;
            }
            match &prepared.ready {
                Some((number, pipe)) => fd::place_at(pipe.as_fd(), *number),
                None => Ok(()),
            }
        }
        Step::NoNewPrivileges => credentials::no_new_privileges(),
        Step::Seccomp(program) => seccomp::install(program),
        Step::Exec(candidates) => Err(exec_first(candidates, plan)),
        Step::ExecMultiCall => {
            let program = prepared.init_program.as_ref().ok_or(Errno::EBADF)?;
            if holds(Rule::R01) && !is_fixed(program.as_fd())? {
                return Err(Errno::ETXTBSY);
            }
            Err(exec::execve_fd(program.as_fd(), &plan.argv, &plan.envp))
        }
        // The others are performed by `perform`.
        _ => Err(Errno::ENOTSUP),
    }
}

fn become_user(user: &Credentials) -> Result<(), Errno> {
    credentials::limit_bounding_set(user.capabilities)?;
    // Root gets what the bounding set leaves at execve; another user keeps only what is ambient,
    // which the kernel allows only for what is inheritable too (rule R9: empty for all others).
    let ambient = user.ambient;
    let held = if user.uid == 0 {
        user.capabilities
    } else {
        ambient
    };
    if ambient != 0 {
        credentials::keep_over_set_ids()?;
    }
    credentials::set_ids(user.uid, user.gid, &user.groups)?;
    let inheritable = if holds(Rule::R09) { ambient } else { held };
    credentials::set_capabilities(held, inheritable)?;
    credentials::raise_ambient(ambient)
}

/// Whether nobody can write a program, whoever opens it again through `/proc/1/exe`: it is sealed, or
/// lies on a read-only mount.
fn is_fixed(program: BorrowedFd<'_>) -> Result<bool, Errno> {
    let seals = fcntl(program, FcntlArg::F_GET_SEALS).unwrap_or(0);
    let sealed = seals & SealFlag::F_SEAL_WRITE.bits() != 0;
    Ok(sealed || fstatvfs(program)?.flags().contains(FsFlags::ST_RDONLY))
}

/// As execvp(3): goes on to the next path where the program is not; "not allowed" says more than
/// "not there".
fn exec_first(candidates: &[CString], plan: &LaunchPlan) -> Errno {
    let mut refused = None;
    for candidate in candidates {
        match exec::execve(candidate, &plan.argv, &plan.envp) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => refused = Some(Errno::EACCES),
            other => return other,
        }
    }
    refused.unwrap_or(Errno::ENOENT)
}

/// Opens a path of the machine, in the child's copy of its mounts. (By openat: musl's open(3) asks for
/// close-on-exec a second time, for kernels before 2.6.23.)
pub(super) fn open_machine_path(path: &CStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlag::O_PATH | OFlag::O_CLOEXEC;
    openat(AT_FDCWD, path, flags, Mode::empty())
}
