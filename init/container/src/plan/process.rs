//! The program: arguments, environment, where it is looked for, what it may.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::path::Path;

use orlop_config::{
    Capability, Isolation, Service, USUAL_LIMITS, USUAL_OPEN_FILES, USUAL_PATH, Ulimit,
};
use orlop_sys::credentials::CapabilitySet;
use orlop_sys::exec::StringVector;

use super::inputs::seccomp_profile;
use super::{Credentials, LaunchInputs, NOTIFY_SOCKET, Notify, PlanError, Step, absolute, text};
use crate::seccomp;
use crate::user::User;

/// The number of the first passed socket.
const FIRST_PASSED: u64 = 3;

/// What only the main process is given, beside the manifest's environment.
#[derive(Debug, Default)]
pub(crate) struct Passed<'a> {
    /// Names of the sockets.
    pub(crate) listen_names: &'a [String],
    /// Where it says how it is.
    pub(crate) notify: Option<Notify<'a>>,
}

/// Who ends first when the machine is out of memory (adr/0009). PID 1 is never killed.
pub(crate) fn oom_score_adj(service: &Service) -> Result<Step, PlanError> {
    write_proc("self/oom_score_adj", &service.oom_score().to_string())
}

/// `sysctls`: whoever writes them is in the service's network and IPC namespaces, and real root. As in
/// sysctl(8) a slash stands for a dot in a name.
pub(super) fn sysctls(service: &Service) -> impl Iterator<Item = Result<Step, PlanError>> {
    service.sysctls.iter().map(|(name, value)| {
        let mut file = "sys/".to_owned();
        file.extend(name.chars().map(|c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        }));
        // Whatever the manifest's check let through: a name stays in its family.
        if file.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(PlanError::Path {
                key: "sysctls",
                path: name.clone(),
            });
        }
        write_proc(&file, value)
    })
}

fn write_proc(file: &str, value: &str) -> Result<Step, PlanError> {
    Ok(Step::WriteProc {
        file: text("sysctls", file.as_bytes())?,
        value: text("sysctls", value.as_bytes())?,
    })
}

/// The limits of every process of a service. Only root of the machine's own user namespace can raise
/// one above PID 1's: they come before the service's is entered.
pub(crate) fn limits(service: &Service) -> impl Iterator<Item = Step> {
    let written = |usual: &Ulimit| service.ulimits.iter().any(|own| own.name == usual.name);
    let usual = USUAL_LIMITS
        .into_iter()
        .filter(move |limit| !written(limit));
    usual
        .chain(service.ulimits.iter().copied())
        .map(Step::Limit)
}

/// How many descriptors it may have from its start.
fn open_files(service: &Service) -> u64 {
    let mut own = service.ulimits.iter();
    own.find(|limit| limit.name == Ulimit::NOFILE.name)
        .map_or(USUAL_OPEN_FILES, |limit| limit.soft)
}

pub(super) fn capability_set(capabilities: &[Capability]) -> CapabilitySet {
    capabilities.iter().fold(0, |set, capability| {
        set | 1_u64.checked_shl(capability.number().into()).unwrap_or(0)
    })
}

/// The manifest's environment with what is added at launch.
pub(crate) fn environment(
    service: &Service,
    user: &User,
    passed: &Passed<'_>,
) -> BTreeMap<String, String> {
    let mut environment = service.environment.clone();
    environment
        .entry("PATH".to_owned())
        .or_insert_with(|| USUAL_PATH.to_owned());
    environment
        .entry("HOME".to_owned())
        .or_insert_with(|| user.home.clone());
    let mut insert = |key: &str, value: String| environment.insert(key.to_owned(), value);
    if !passed.listen_names.is_empty() {
        insert("LISTEN_FDS", passed.listen_names.len().to_string());
        insert("LISTEN_FDNAMES", passed.listen_names.join(":"));
        // The main process is pid 1 of its namespace; `init` writes its child's instead.
        insert("LISTEN_PID", "1".to_owned());
    }
    if let Some(notify) = passed.notify {
        insert("NOTIFY_SOCKET", NOTIFY_SOCKET.to_owned());
        if let Some(watchdog) = notify.watchdog {
            insert("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
    }
    environment
}

/// The number of the readiness pipe: above the passed sockets, below the limit of open files.
pub(super) fn ready_fd(inputs: &LaunchInputs<'_>) -> Result<Option<RawFd>, PlanError> {
    let Some(number) = inputs.ready_fd else {
        return Ok(None);
    };
    let first = FIRST_PASSED + inputs.listen_names.len() as u64;
    if !(first..open_files(inputs.service)).contains(&number.into()) {
        return Err(PlanError::ReadyFd { number, first });
    }
    Ok(RawFd::try_from(number).ok())
}

pub(crate) fn environment_strings(
    environment: &BTreeMap<String, String>,
) -> Result<StringVector, PlanError> {
    let strings = environment
        .iter()
        .map(|(key, value)| text("environment", format!("{key}={value}").as_bytes()));
    Ok(StringVector::new(strings.collect::<Result<_, _>>()?))
}

/// Everything that keeps a process in its place, for the main process and for every one that enters
/// later (rule R9: one builder). Its end is the last before the program.
pub(crate) fn confinement(
    service: &Service,
    user: &User,
    working_dir: &Path,
) -> Result<Vec<Step>, PlanError> {
    let capabilities = capability_set(&service.capabilities);
    let mut steps = vec![Step::Credentials(Credentials {
        uid: user.uid,
        gid: user.gid,
        groups: user.groups.clone(),
        capabilities,
        // As with Docker, what the isolation gives by itself counts for root only.
        ambient: match user.uid {
            0 => 0,
            _ => capability_set(&service.added_capabilities),
        },
    })];
    steps.push(Step::Umask(0o022));
    steps.push(Step::WorkingDir(absolute("working_dir", working_dir)?));
    steps.push(Step::Descriptors);
    if service.no_new_privileges {
        steps.push(Step::NoNewPrivileges);
    }
    if service.isolation != Isolation::Privileged {
        let profile = seccomp_profile(service, capabilities);
        steps.push(Step::Seccomp(seccomp::program(&profile)));
    }
    Ok(steps)
}

/// The arguments and the exec step, found like execvp(3) would.
pub(crate) fn program<'a>(
    words: impl Iterator<Item = &'a String> + Clone,
    environment: &BTreeMap<String, String>,
) -> Result<(StringVector, Step), PlanError> {
    let name = first(words.clone())?;
    let exec = if name.contains('/') {
        Step::Exec(vec![text("command", name.as_bytes())?])
    } else {
        let path = environment.get("PATH").map_or(USUAL_PATH, String::as_str);
        let candidates = path
            .split(':')
            .filter(|directory| directory.starts_with('/'));
        let candidates =
            candidates.map(|directory| text("command", format!("{directory}/{name}").as_bytes()));
        Step::Exec(candidates.collect::<Result<_, _>>()?)
    };
    Ok((arguments(words.map(String::as_str))?, exec))
}

/// The multi-call binary's applet `init` with this command.
pub(super) fn init_program<'a>(
    words: impl Iterator<Item = &'a String> + Clone,
) -> Result<(StringVector, Step), PlanError> {
    first(words.clone())?;
    let applet = ["init", "--"].into_iter();
    multi_call(applet.chain(words.map(String::as_str)))
}

/// The multi-call binary; the first word is the applet's name.
pub(crate) fn multi_call<'a>(
    words: impl Iterator<Item = &'a str>,
) -> Result<(StringVector, Step), PlanError> {
    Ok((arguments(words)?, Step::ExecMultiCall))
}

fn first<'a>(mut words: impl Iterator<Item = &'a String>) -> Result<&'a String, PlanError> {
    words
        .next()
        .filter(|name| !name.is_empty())
        .ok_or(PlanError::NoCommand)
}

fn arguments<'a>(words: impl Iterator<Item = &'a str>) -> Result<StringVector, PlanError> {
    let words = words.map(|word| text("command", word.as_bytes()));
    Ok(StringVector::new(words.collect::<Result<_, _>>()?))
}
