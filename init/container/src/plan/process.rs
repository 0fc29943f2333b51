//! The program: arguments, environment, where it is looked for, what it may.

use std::collections::BTreeMap;

use orlop_config::{Capability, Service};
use orlop_sys::credentials::{CapabilitySet, Resource};
use orlop_sys::exec::StringVector;

use super::{PlanError, Step, text};
use crate::user::User;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// containerd's, the stricter of the two defaults.
const OPEN_FILES: u64 = 1024;

pub(super) fn limits() -> [Step; 2] {
    [
        Step::Limit(Resource::OpenFiles, OPEN_FILES, OPEN_FILES),
        Step::Limit(Resource::CoreSize, 0, 0),
    ]
}

pub(super) fn capability_set(capabilities: &[Capability]) -> CapabilitySet {
    capabilities.iter().fold(0, |set, capability| {
        set | 1_u64.checked_shl(capability.number().into()).unwrap_or(0)
    })
}

/// The manifest's environment with what is added at launch.
pub(super) fn environment(
    service: &Service,
    user: &User,
    listen_names: &[String],
) -> BTreeMap<String, String> {
    let mut environment = service.environment.clone();
    environment
        .entry("PATH".to_owned())
        .or_insert_with(|| DEFAULT_PATH.to_owned());
    environment
        .entry("HOME".to_owned())
        .or_insert_with(|| user.home.clone());
    if !listen_names.is_empty() {
        environment.insert("LISTEN_FDS".to_owned(), listen_names.len().to_string());
        environment.insert("LISTEN_FDNAMES".to_owned(), listen_names.join(":"));
        // The main process is pid 1 of its namespace; `init` writes its child's instead.
        environment.insert("LISTEN_PID".to_owned(), "1".to_owned());
    }
    environment
}

pub(super) fn environment_strings(
    environment: &BTreeMap<String, String>,
) -> Result<StringVector, PlanError> {
    let strings = environment
        .iter()
        .map(|(key, value)| text("environment", format!("{key}={value}").as_bytes()));
    Ok(StringVector::new(strings.collect::<Result<_, _>>()?))
}

/// The arguments and the exec step: `entrypoint` and `command`, found like execvp(3) would.
pub(super) fn program(
    service: &Service,
    environment: &BTreeMap<String, String>,
) -> Result<(StringVector, Step), PlanError> {
    let command = || service.entrypoint.iter().chain(&service.command);
    let name = command()
        .next()
        .filter(|name| !name.is_empty())
        .ok_or(PlanError::NoCommand)?;
    let init: &[&str] = if service.init { &["init", "--"] } else { &[] };
    let words = init.iter().copied().chain(command().map(String::as_str));
    let argv = words
        .map(|word| text("command", word.as_bytes()))
        .collect::<Result<_, _>>()?;
    let exec = if service.init {
        Step::ExecInit
    } else if name.contains('/') {
        Step::Exec(vec![text("command", name.as_bytes())?])
    } else {
        let path = environment.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        let candidates = path
            .split(':')
            .filter(|directory| directory.starts_with('/'));
        let candidates =
            candidates.map(|directory| text("command", format!("{directory}/{name}").as_bytes()));
        Step::Exec(candidates.collect::<Result<_, _>>()?)
    };
    Ok((StringVector::new(argv), exec))
}
