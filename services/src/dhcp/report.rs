//! Reports to PID 1, which alone may configure links.

use std::path::Path;
use std::time::Duration;

use orlop_control::client::{Client, ClientError};
use orlop_control::{CONTROL_SOCKET, Lease, LeaseTerms};

use super::state;

/// How long PID 1's answer is awaited: applying a lease is some milliseconds of work.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks PID 1 to give the link what the lease says, or to take everything of it away.
///
/// # Errors
/// PID 1 is not reached, or refuses the lease.
pub(super) fn to_control(link: &str, lease: Option<&state::Lease>) -> Result<(), ClientError> {
    let link = link.to_owned();
    let lease = match lease {
        None => Lease::Expired { link },
        Some(lease) => Lease::Bound(LeaseTerms {
            link,
            address: lease.address,
            prefix_length: lease.prefix_length,
            router: lease.router,
            dns: lease.dns.clone(),
            domain: lease.domain.clone(),
            mtu: lease.mtu,
            lifetime_s: lease.seconds,
        }),
    };
    Client::connect(Path::new(CONTROL_SOCKET), Some(PATIENCE))?.lease(&lease)
}
