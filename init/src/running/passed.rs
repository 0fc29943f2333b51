//! Sockets that PID 1 opens for a service and passes as LISTEN_FDS (sd_listen_fds(3)): what a grant
//! stands for, where the service itself could not open it.

use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::{Shared, Unit, waits};
use crate::stage::chain;

/// One passed socket.
#[derive(Debug)]
pub(super) struct Passed {
    /// Its name in LISTEN_FDNAMES.
    pub(super) name: String,
    /// The descriptor.
    pub(super) fd: OwnedFd,
}

/// The grant that comes with a packet socket and a UDP socket for each link that wants DHCP.
pub(super) const LEASE_GRANT: &str = "network.lease";
const LOG_NAME: &str = "log";

/// Opens what the unit's grants stand for.
///
/// # Errors
/// One fragment.
pub(super) async fn sockets(shared: &Shared, unit: &Unit) -> Result<Vec<Passed>, String> {
    let mut passed = Vec::new();
    if unit.reads_logs() {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|errno| format!("making the log channel: {errno:?}"))?;
        orlop_sys::fd::set_nonblocking(std::os::fd::AsFd::as_fd(&ours))
            .map_err(|errno| format!("making the log channel: {errno:?}"))?;
        unit.held_mut().log_channel = Some(ours);
        passed.push(Passed {
            name: LOG_NAME.to_owned(),
            fd: theirs,
        });
    }
    if unit.holds(LEASE_GRANT) {
        waits::stage(&shared.events, unit, &shared.network_settled).await?;
        let sockets = shared
            .network
            .dhcp_sockets()
            .await
            .map_err(|error| chain(&error))?;
        unit.held_mut().dhcp_sockets = sockets.iter().map(|(name, _)| name.clone()).collect();
        passed.extend(sockets.into_iter().map(|(name, fd)| Passed { name, fd }));
    }
    Ok(passed)
}
