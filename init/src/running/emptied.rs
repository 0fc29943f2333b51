//! Waiting until nothing is in a cgroup any more.

use orlop_container::cgroup::{Cgroup, EventsFile};
use tokio::io::Interest;

use crate::stage::chain;
use crate::watched::watch;

/// Kills what is in it and waits for its end, however long that takes.
///
/// # Errors
/// One fragment; the cgroup may be gone with the service.
pub(super) async fn emptied(cgroup: &Cgroup) -> Result<(), String> {
    let populated = || cgroup.is_populated().map_err(|error| chain(&error));
    if !populated()? {
        return Ok(());
    }
    cgroup.kill().map_err(|error| chain(&error))?;
    // Of its own: a descriptor can be watched once, and somebody else may not have let go yet.
    let events = EventsFile::open(&cgroup.path().join("cgroup.events"))
        .and_then(|events| watch(events, Interest::PRIORITY))
        .map_err(|error| format!("watching its cgroup: {}", chain(&error)))?;
    while populated()? {
        let ready = events.ready(Interest::PRIORITY).await;
        ready.map_err(|error| chain(&error))?.clear_ready();
    }
    Ok(())
}
