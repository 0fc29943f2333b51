//! What the loop stands on: its directories below /run, the cgroup of all services.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use orlop_config::Service;
use orlop_container::cgroup;

use crate::notify::NOTIFY;
use crate::report::Report;
use crate::running::{RUN, SERVICES_CGROUP, STAGING};
use crate::stage::chain;
use crate::stages::early_mounts::CGROUP_ROOT;
use orlop_config::compact::sort_by;

/// Directories that only PID 1 uses, and the cgroup that all services' cgroups are in.
pub(super) fn prepare_run(report: &Report) {
    let private = [RUN, "/run/orlop/control", NOTIFY, STAGING];
    let mut results: Vec<(String, std::io::Result<()>)> = private
        .iter()
        .map(|path| {
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path);
            ((*path).to_owned(), made)
        })
        .collect();
    results.push((
        SERVICES_CGROUP.to_owned(),
        fs::create_dir_all(SERVICES_CGROUP),
    ));
    for (path, result) in results {
        if let Err(error) = result {
            report.warn(&format!("making {path}: {}", chain(&error)));
        }
    }
}

/// Only the controllers that some service's limits use: each costs every service's cgroup.
pub(super) fn enable_controllers<'a>(
    report: &Report,
    services: impl Iterator<Item = &'a Service> + Clone,
) {
    let mut needed: Vec<cgroup::Controller> = services
        .clone()
        .flat_map(cgroup::plan_limits)
        .filter_map(|limit| limit.controller)
        .collect();
    sort_by(&mut needed, Ord::cmp);
    needed.dedup();
    for base in [CGROUP_ROOT, SERVICES_CGROUP] {
        if let Err(error) = cgroup::enable_controllers(Path::new(base), &needed) {
            report.warn(&chain(&error));
        }
    }
    if let Some(limit) = cgroup::reserved(services)
        && let Err(error) = cgroup::write_limit(Path::new(SERVICES_CGROUP), &limit)
    {
        report.warn(&chain(&error));
    }
}
