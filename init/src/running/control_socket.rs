//! The control socket of a service that has grants: which listener accepted a connection decides
//! what it may call.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use orlop_container::namespaces::ID_COUNT;
use orlop_control::server::{Access, serve};

use super::{RUN, Shared, Unit};
use crate::machine::bind;
use crate::stage::chain;

/// Where the service's socket is in the machine, when it has one.
pub(super) fn path(unit: &Unit) -> Option<PathBuf> {
    let name = unit.service.name.as_str();
    (!unit.service.control.is_empty())
        .then(|| Path::new(RUN).join("control").join(format!("{name}.sock")))
}

/// Listens on behalf of the service, once for as long as it is wanted.
///
/// # Errors
/// One fragment.
pub(super) fn listen(shared: &Shared, unit: &Unit, uid: u32) -> Result<(), String> {
    let Some(path) = path(unit) else {
        return Ok(());
    };
    if unit.held().control.is_some() {
        return Ok(());
    }
    let failed =
        |error: std::io::Error| format!("listening at {}: {}", path.display(), chain(&error));
    let listener = bind(&path).map_err(failed)?;
    // The one who may connect: the user that the service runs as, as the machine counts.
    let owner = unit.id_base + uid;
    chown(&path, Some(owner), Some(owner)).map_err(failed)?;
    let uids = unit.id_base..unit.id_base + ID_COUNT;
    let access = Access::service(
        unit.service.name.clone(),
        unit.service.control.clone(),
        uids,
    );
    let serving = serve(listener, access, shared.calls.clone());
    unit.held_mut().control = Some(crate::task::spawn(serving));
    Ok(())
}
