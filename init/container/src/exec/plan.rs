//! The decision of an exec: pure, by the builder of the launch (rule R9).

use std::collections::BTreeMap;
use std::path::Path;

use nix::sched::CloneFlags;
use orlop_config::{NetworkMode, Service};

use crate::plan::process::{self, Passed};
use crate::plan::{LaunchPlan, PlanError, Step, has_user_namespace};
use crate::user::User;

/// Everything that decides an exec.
#[derive(Debug, Clone)]
pub struct ExecInputs<'a> {
    /// The manifest of the service that is entered.
    pub service: &'a Service,
    /// Who runs it: of the image's `/etc/passwd`, not of the container's (rule R16). The capabilities
    /// are the service's.
    pub user: &'a User,
    /// What runs.
    pub program: Program<'a>,
    /// Added to the manifest's environment, and winning.
    pub environment: &'a BTreeMap<String, String>,
    /// Absolute, instead of the manifest's.
    pub working_dir: Option<&'a Path>,
}

/// What an exec runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program<'a> {
    /// A program of the container, looked for as the service's own command is.
    Container(&'a [String]),
    /// The machine's multi-call binary, opened by PID 1; the applet and its arguments.
    MultiCall(&'a [&'a str]),
}

/// An exec, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecPlan {
    /// The process, as a launch that makes nothing new: its steps enter first.
    pub process: LaunchPlan,
}

/// Decides an exec: a further process of a running service, exactly as confined as its main process.
///
/// It has the service's environment but for what speaks to the main process only (LISTEN_FDS,
/// NOTIFY_SOCKET, WATCHDOG_USEC), and no descriptors but its three streams.
///
/// # Errors
/// [`PlanError`].
pub fn plan_exec(inputs: &ExecInputs<'_>) -> Result<ExecPlan, PlanError> {
    let service = inputs.service;
    let mut steps = vec![
        Step::ResetSignals,
        process::oom_score_adj(service)?,
        Step::Hide,
    ];
    steps.extend(process::limits(service));
    steps.extend([
        Step::EnterProcess(entered(service)),
        Step::Fork,
        Step::ResetSignals,
        Step::NewSession,
    ]);
    let working_dir = inputs.working_dir.unwrap_or(&service.working_dir);
    steps.extend(process::confinement(service, inputs.user, working_dir)?);
    let mut environment = process::environment(service, inputs.user, &Passed::default());
    environment.extend(inputs.environment.clone());
    let (argv, exec) = match inputs.program {
        Program::Container(words) => process::program(words.iter(), &environment)?,
        Program::MultiCall(words) => process::multi_call(words.iter().copied())?,
    };
    steps.push(exec);
    Ok(ExecPlan {
        process: LaunchPlan {
            service: service.name.to_string(),
            image: service.image.to_string(),
            steps,
            listen_count: 0,
            ready_fd: None,
            namespaces: CloneFlags::empty(),
            argv,
            envp: process::environment_strings(&environment)?,
        },
    })
}

/// All that the main process has of its own; the machine's own cannot be entered once more
/// (user_namespaces(7)).
fn entered(service: &Service) -> CloneFlags {
    let mut flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    flags.set(CloneFlags::CLONE_NEWUSER, has_user_namespace(service));
    flags.set(
        CloneFlags::CLONE_NEWNET,
        service.network_mode != NetworkMode::Host,
    );
    flags
}
