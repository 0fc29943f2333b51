//! `dhcp`: the DHCPv4 client of every link, one process, no capability.
//!
//! PID 1 passes a packet socket and a UDP socket for each link that wants an address, and applies
//! what this reports by `io.orlop.network.Lease`. `message` and `packet` read bytes that anybody on
//! the network may have sent; `state` decides, without IO; `link` and this file are the effects.
//! PID 1 restarts the service with other sockets when the set of links changes.

mod link;
mod message;
mod packet;
mod report;
mod state;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::stop;
use link::Link;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use orlop_sys::{clock, listen_fds};
use state::{Action, Lease};

/// How many packets of one link are read before the others' turn: a flood on one must not starve
/// the others.
const TURN: usize = 32;

/// Why the program ends.
#[derive(Debug, thiserror::Error)]
pub enum DhcpError {
    /// The signal to stop cannot be awaited.
    #[error("listen for SIGTERM")]
    Stop(#[source] io::Error),
    /// Nothing can be awaited.
    #[error("poll the sockets")]
    Poll(#[source] Errno),
}

/// Runs until SIGTERM. A link whose sockets are of no use is told, and the others served; with no
/// link at all it waits, for PID 1 to start it anew with one.
///
/// # Errors
/// When not even waiting works.
pub fn run() -> Result<(), DhcpError> {
    let stop = stop::requested().map_err(DhcpError::Stop)?;
    serve(&stop, listen_fds::take(), report::to_control)
}

/// Serves the passed links until `stop` is readable; `report` tells PID 1 of a link's lease, or
/// that it is over.
fn serve<E: Display>(
    stop: &UnixStream,
    passed: Vec<(String, OwnedFd)>,
    report: impl Fn(&str, Option<&Lease>) -> Result<(), E>,
) -> Result<(), DhcpError> {
    let (mut links, errors) = link::pair(passed, clock::boottime());
    for error in errors {
        say(&error.to_string());
    }
    if links.is_empty() {
        say("no link wants an address by DHCP");
    }
    let mut random = Random(RandomState::new(), 0);
    loop {
        let now = clock::boottime();
        for link in &mut links {
            let actions = link.client.wake(now, random.next());
            perform(link, actions, &report);
        }
        let timeout = until_next(&links);
        let mut fds = vec![PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            links
                .iter()
                .map(|link| PollFd::new(link.as_fd(), PollFlags::POLLIN)),
        );
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(DhcpError::Poll(error)),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any() == Some(true)).collect();
        if ready.first() == Some(&true) {
            return Ok(());
        }
        for (link, _) in links
            .iter_mut()
            .zip(ready.iter().skip(1))
            .filter(|(_, ready)| **ready)
        {
            for _ in 0..TURN {
                let Some(reply) = link.receive() else { break };
                let now = clock::boottime();
                let actions = match reply {
                    Some(reply) => link.client.receive(&reply, now, random.next()),
                    None => continue,
                };
                perform(link, actions, &report);
            }
        }
    }
}

fn perform<E: Display>(
    link: &mut Link,
    actions: Vec<Action>,
    report: &impl Fn(&str, Option<&Lease>) -> Result<(), E>,
) {
    for action in actions {
        match &action {
            Action::Broadcast(_) | Action::Unicast(..) => {
                if let Err(error) = link.send(&action) {
                    say(&format!("{}: send: {}", link.name, error.desc()));
                }
            }
            Action::Bound(lease) => {
                let text = format!("{}: {}/{}", link.name, lease.address, lease.prefix_length);
                match report(&link.name, Some(lease)) {
                    Ok(()) => say(&format!("{text} for {} s", lease.seconds)),
                    Err(error) => {
                        say(&format!("{text} is not applied: {error}"));
                        link.client.refuse(clock::boottime());
                    }
                }
            }
            Action::Expired => {
                say(&format!("{}: the lease is over", link.name));
                // PID 1 lets the address end by itself when this does not reach it.
                if let Err(error) = report(&link.name, None) {
                    say(&format!("{}: {error}", link.name));
                }
            }
        }
    }
}

fn until_next(links: &[Link]) -> PollTimeout {
    let Some(next) = links.iter().map(|link| link.client.wake_at()).min() else {
        return PollTimeout::NONE;
    };
    let wait = next.saturating_sub(clock::boottime());
    // Rounded up: waking a moment early would spin. An hour is long enough for a look at the clock.
    let wait = wait.min(Duration::from_secs(3600)) + Duration::from_millis(1);
    PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
}

/// Numbers that others cannot guess: a keyed hash of a counter, the key from the kernel.
struct Random(RandomState, u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.1 += 1;
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(self.1);
        let [a, b, c, d, ..] = hasher.finish().to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    }
}

/// One line to the service's log. Without a reader it is lost.
fn say(line: &str) {
    let _nobody_reads = writeln!(io::stdout(), "{line}");
}
