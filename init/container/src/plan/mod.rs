//! The decision of a launch: pure, so that tests compare plans as values.

mod dev;
mod filesystem;
mod inputs;
mod mount;
pub(crate) mod process;
mod step;
#[cfg(test)]
mod tests;

use std::ffi::CString;
use std::os::fd::RawFd;
use std::path::{Component, Path};

use nix::sched::CloneFlags;
use orlop_config::Service;
use orlop_sys::exec::StringVector;

use crate::user::{User, UserError};
use crate::weaken::{Rule, holds};

pub(crate) use inputs::has_user_namespace;
pub use inputs::{FileBind, LaunchInputs, NOTIFY_SOCKET, Notify, ResolvedVolume, namespace_spec};
pub use step::{
    Credentials, Device, Links, Missing, Mount, MountSource, Overlay, Place, RootMount, Step,
};

/// A launch, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchPlan {
    /// The service's name, for sentences.
    pub service: String,
    /// The image's name, for sentences.
    pub image: String,
    /// What the child does.
    pub steps: Vec<Step>,
    /// How many sockets are passed from descriptor 3 on.
    pub listen_count: usize,
    /// The number that the readiness pipe gets.
    pub ready_fd: Option<RawFd>,
    /// What clone3 makes new: all but the kept user and network namespaces.
    pub namespaces: CloneFlags,
    /// The program's arguments.
    pub argv: StringVector,
    /// Its environment.
    pub envp: StringVector,
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The manifest's `user`.
    #[error("user")]
    User(#[from] UserError),
    /// A string with a NUL byte.
    #[error("{0}: a NUL byte cannot be passed to the kernel")]
    Nul(&'static str),
    /// A path that is not absolute, or climbs.
    #[error("{key}: {path:?} is not an absolute path without \"..\"")]
    Path {
        /// Which key or input.
        key: &'static str,
        /// The path as given.
        path: String,
    },
    /// More steps than a report can number (rule R14).
    #[error("{0} mounts, devices and other steps are more than the 65,535 of one launch")]
    TooLong(usize),
    /// Neither entrypoint nor command.
    #[error("command: nothing to run")]
    NoCommand,
    /// A readiness descriptor that cannot be.
    #[error(
        "readiness: descriptor {number} is not free; with the passed sockets it must be {first} to 1023"
    )]
    ReadyFd {
        /// By the manifest.
        number: u32,
        /// The first that is free.
        first: u64,
    },
}

/// A list of steps grows rarely: every page that it moves to is a page fault of PID 1.
const USUAL_STEPS: usize = 80;

/// Decides a launch.
///
/// # Errors
/// [`PlanError`]: what the manifest and the image say does not go together.
pub fn plan(inputs: &LaunchInputs<'_>) -> Result<LaunchPlan, PlanError> {
    let service = inputs.service;
    let user = inputs.user;
    let user_namespace = has_user_namespace(service);
    let owner = Owner {
        base: if user_namespace { inputs.id_base } else { 0 },
        user,
    };

    let mut steps = Vec::with_capacity(USUAL_STEPS);
    steps.extend([
        Step::ResetSignals,
        Step::NewSession,
        Step::Umask(0),
        process::oom_score_adj(service)?,
        Step::PrivateMounts,
    ]);
    if namespace_spec(service, inputs.id_base).network {
        steps.push(Step::JoinNetwork);
    }
    for setting in process::sysctls(service) {
        steps.push(setting?);
    }
    if !service.host_namespaces.uts {
        steps.push(Step::Hostname(service.hostname.clone()));
        steps.extend(service.domainname.clone().map(Step::Domainname));
    }
    filesystem::plan_filesystem(inputs, owner, &mut steps)?;
    steps.push(Step::PivotRoot);
    steps.extend(process::limits(service));
    if user_namespace {
        steps.push(Step::EnterUser);
    }
    steps.extend(process::confinement(service, user, &service.working_dir)?);
    let passed = process::Passed {
        listen_names: inputs.listen_names,
        notify: inputs.notify,
    };
    let environment = process::environment(service, user, &passed);
    let command = service.entrypoint.iter().chain(&service.command);
    let (argv, exec) = if service.init {
        process::init_program(command)?
    } else {
        process::program(command, &environment)?
    };
    steps.push(exec);
    // A failed step is told by its number.
    if u16::try_from(steps.len()).is_err() {
        return Err(PlanError::TooLong(steps.len()));
    }
    Ok(LaunchPlan {
        service: service.name.to_string(),
        image: service.image.to_string(),
        steps,
        listen_count: inputs.listen_names.len(),
        ready_fd: process::ready_fd(inputs)?,
        namespaces: namespaces(service),
        argv,
        envp: process::environment_strings(&environment)?,
    })
}

/// What clone3 makes new at every launch.
fn namespaces(service: &Service) -> CloneFlags {
    let shared = service.host_namespaces;
    let mut new = CloneFlags::CLONE_NEWNS;
    new.set(CloneFlags::CLONE_NEWPID, !shared.pid);
    new.set(CloneFlags::CLONE_NEWIPC, !shared.ipc);
    new.set(CloneFlags::CLONE_NEWUTS, !shared.uts);
    new.set(
        CloneFlags::CLONE_NEWCGROUP,
        !shared.cgroup && holds(Rule::R11),
    );
    new
}

/// How ids of the container appear on the machine.
#[derive(Debug, Clone, Copy)]
struct Owner<'a> {
    base: u32,
    user: &'a User,
}

pub(crate) fn absolute(key: &'static str, path: &Path) -> Result<CString, PlanError> {
    let plain = |component| matches!(component, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(plain) {
        return Err(PlanError::Path {
            key,
            path: path.display().to_string(),
        });
    }
    text(key, path.as_os_str().as_encoded_bytes())
}

/// The path as the container's root directory's descriptor sees it: without the leading slash.
fn in_root(key: &'static str, path: &Path) -> Result<CString, PlanError> {
    let path = absolute(key, path)?;
    let relative: Vec<u8> = path
        .to_bytes()
        .iter()
        .copied()
        .skip_while(|&byte| byte == b'/')
        .collect();
    text(key, if relative.is_empty() { b"." } else { &relative })
}

pub(crate) fn text(key: &'static str, bytes: &[u8]) -> Result<CString, PlanError> {
    CString::new(bytes).map_err(|_| PlanError::Nul(key))
}
