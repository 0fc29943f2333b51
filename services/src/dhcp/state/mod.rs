//! The client of one link as a pure state machine: RFC 2131, figure 5.
//!
//! ```text
//!             ┌──────── NAK, no answer ────────┐
//!             ▼                                │
//! INIT ─▶ SELECTING ──offer──▶ REQUESTING ─────┤
//!   ▲                              │ ack       │
//!   │                              ▼           │
//!   │     expired, NAK          BOUND ◀─ack─┐  │
//!   │                              │ T1     │  │
//!   ├────────────────────────── RENEWING ───┤  │
//!   │                              │ T2     │  │
//!   └───────────────────────── REBINDING ───┘  │
//! ```
//! Not here: INIT-REBOOT (nothing is remembered over a restart; a server gives the same hardware
//! address the same address anyway), DHCPDECLINE (an ARP probe would need another socket), and
//! DHCPRELEASE (a restart of this service must not take the machine's address away).

#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::time::Duration;

use super::message::{Kind, Reply, Request};

/// A lease for ever.
const FOREVER: u32 = u32::MAX;
/// The least time between two messages.
const SECOND: Duration = Duration::from_secs(1);
/// The most time between two messages while there is no lease. RFC 2131 starts at 4 s and ends at
/// 64 s for the sake of 10 Mb/s networks with hundreds of hosts; here a machine waits for its
/// address, and a server that appears is to be found soon.
const SLOWEST: Duration = Duration::from_secs(16);
/// How often an offer is requested before the client looks for others.
const REQUESTS: u32 = 4;
/// The least wait between renewals (RFC 2131, 4.4.5).
const RENEWAL_PAUSE: Duration = Duration::from_secs(60);

/// What a server gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    /// The link's address.
    pub(super) address: Ipv4Addr,
    /// Its network's prefix length.
    pub(super) prefix_length: u8,
    /// The default router.
    pub(super) router: Option<Ipv4Addr>,
    /// Resolvers.
    pub(super) dns: Vec<Ipv4Addr>,
    /// The domain.
    pub(super) domain: Option<String>,
    /// The link's MTU.
    pub(super) mtu: Option<u16>,
    /// Seconds from its acknowledgement; 0xffffffff is for ever.
    pub(super) seconds: u32,
}

/// A lease with the times that follow from it, on the caller's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    lease: Lease,
    server: Ipv4Addr,
    renew_at: Duration,
    rebind_at: Duration,
    ends_at: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Selecting,
    Requesting {
        address: Ipv4Addr,
        server: Ipv4Addr,
        sent: u32,
    },
    Bound(Held),
    Renewing(Held),
    Rebinding(Held),
}

/// What the loop shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Send to all servers, from the address in use if there is one.
    Broadcast(Request),
    /// Send to the server that gave the lease.
    Unicast(Request, Ipv4Addr),
    /// The link has this lease, or has it renewed.
    Bound(Lease),
    /// The link's lease is over.
    Expired,
}

/// The client of one link.
#[derive(Debug, Clone)]
pub(super) struct Client {
    hardware: [u8; 6],
    state: State,
    transaction: u32,
    began_at: Duration,
    /// Messages since the last answer.
    sent: u32,
    wake_at: Duration,
}

impl Client {
    /// A client that asks at once.
    #[must_use]
    pub(super) fn new(hardware: [u8; 6], now: Duration) -> Self {
        Self {
            hardware,
            state: State::Selecting,
            transaction: 0,
            began_at: now,
            sent: 0,
            wake_at: now,
        }
    }

    /// When [`Self::wake`] is to be called.
    #[must_use]
    pub(super) fn wake_at(&self) -> Duration {
        self.wake_at
    }

    /// Time has passed. `random` becomes the transaction of a new attempt and spreads the pauses.
    pub(super) fn wake(&mut self, now: Duration, random: u32) -> Vec<Action> {
        if now < self.wake_at {
            return Vec::new();
        }
        match self.state.clone() {
            State::Selecting => {
                // One transaction for all of an attempt's messages, so that a slow server's
                // answer to an earlier one is still taken.
                if self.sent == 0 {
                    (self.transaction, self.began_at) = (random, now);
                }
                self.pause(now, random);
                vec![Action::Broadcast(self.request(Kind::Discover, now))]
            }
            State::Requesting { sent, .. } if sent >= REQUESTS => {
                self.restart(now);
                self.wake(now, random)
            }
            State::Requesting {
                address,
                server,
                sent,
            } => {
                self.state = State::Requesting {
                    address,
                    server,
                    sent: sent + 1,
                };
                self.pause(now, random);
                let request = self.request(Kind::Request, now);
                let (wanted, server) = (Some(address), Some(server));
                vec![Action::Broadcast(Request {
                    wanted,
                    server,
                    ..request
                })]
            }
            State::Bound(held) | State::Renewing(held) | State::Rebinding(held) => {
                self.keep(held, now, random)
            }
        }
    }

    /// A message came in on the link. What does not belong to the client's own question changes
    /// nothing.
    pub(super) fn receive(&mut self, reply: &Reply, now: Duration, random: u32) -> Vec<Action> {
        if reply.transaction != self.transaction || reply.hardware != self.hardware {
            return Vec::new();
        }
        match (&self.state, reply.kind) {
            (State::Selecting, Kind::Offer) => {
                // An address that is no host's would be refused later; another server may do better.
                let Some(server) = reply.server.filter(|_| is_host(reply.address)) else {
                    return Vec::new();
                };
                self.state = State::Requesting {
                    address: reply.address,
                    server,
                    sent: 0,
                };
                self.sent = 0;
                self.wake_at = now;
                self.wake(now, random)
            }
            (
                State::Requesting {
                    address, server, ..
                },
                Kind::Ack,
            ) if reply.address == *address && reply.server.is_none_or(|from| from == *server) => {
                let server = *server;
                self.bind(reply, server, now)
            }
            (State::Requesting { server, .. }, Kind::Nak)
                if reply.server.is_none_or(|from| from == *server) =>
            {
                self.refuse(now);
                Vec::new()
            }
            (State::Renewing(held) | State::Rebinding(held), Kind::Ack)
                if reply.address == held.lease.address =>
            {
                let server = reply.server.unwrap_or(held.server);
                self.bind(reply, server, now)
            }
            (State::Renewing(_) | State::Rebinding(_), Kind::Nak) => {
                self.refuse(now);
                vec![Action::Expired]
            }
            _ => Vec::new(),
        }
    }

    /// The lease could not be made use of: look for another one, not at once.
    pub(super) fn refuse(&mut self, now: Duration) {
        self.restart(now);
        self.wake_at = now + SLOWEST;
    }

    fn restart(&mut self, now: Duration) {
        self.state = State::Selecting;
        self.sent = 0;
        self.wake_at = now;
    }

    fn request(&self, kind: Kind, now: Duration) -> Request {
        let seconds = now.saturating_sub(self.began_at).as_secs();
        Request {
            kind,
            transaction: self.transaction,
            seconds: u16::try_from(seconds).unwrap_or(u16::MAX),
            hardware: self.hardware,
            in_use: None,
            wanted: None,
            server: None,
        }
    }

    /// 1, 2, 4, 8, 16, 16 … seconds, each up to an eighth longer, so that machines which were
    /// switched on together do not stay in step.
    fn pause(&mut self, now: Duration, random: u32) {
        let pause = SLOWEST.min(SECOND * (1 << self.sent.min(10)));
        self.sent = self.sent.saturating_add(1);
        self.wake_at = now + pause + pause * (random >> 24) / (8 * 256);
    }

    fn bind(&mut self, reply: &Reply, server: Ipv4Addr, now: Duration) -> Vec<Action> {
        let Some(seconds) = reply.lease_time.filter(|seconds| *seconds > 0) else {
            self.refuse(now);
            return Vec::new();
        };
        let lease = Lease {
            address: reply.address,
            // Without a mask nothing but the router is known of the network.
            prefix_length: reply.prefix_length.unwrap_or(32),
            router: reply.router,
            dns: reply.dns.clone(),
            domain: reply.domain.clone(),
            mtu: reply.mtu,
            seconds,
        };
        let (renew, rebind) = times(seconds, reply.renewal_time, reply.rebinding_time);
        let at = |seconds: u32| match seconds {
            FOREVER => Duration::MAX,
            seconds => now.saturating_add(Duration::from_secs(seconds.into())),
        };
        let held = Held {
            lease: lease.clone(),
            server,
            renew_at: at(renew),
            rebind_at: at(rebind),
            ends_at: at(seconds),
        };
        self.sent = 0;
        self.wake_at = held.renew_at;
        self.state = State::Bound(held);
        vec![Action::Bound(lease)]
    }

    /// A lease is held and its next time has come.
    fn keep(&mut self, held: Held, now: Duration, random: u32) -> Vec<Action> {
        if now >= held.ends_at {
            self.restart(now);
            let mut actions = vec![Action::Expired];
            actions.extend(self.wake(now, random));
            return actions;
        }
        if matches!(self.state, State::Bound(_)) {
            (self.transaction, self.began_at) = (random, now);
        }
        let in_use = Some(held.lease.address);
        let request = Request {
            in_use,
            ..self.request(Kind::Request, now)
        };
        let (until, action) = if now >= held.rebind_at {
            (held.ends_at, Action::Broadcast(request))
        } else {
            (held.rebind_at, Action::Unicast(request, held.server))
        };
        // Half of what is left, but not more often than once a minute.
        let pause = (until.saturating_sub(now) / 2).max(RENEWAL_PAUSE);
        self.wake_at = now.saturating_add(pause).min(until);
        self.state = if now >= held.rebind_at {
            State::Rebinding(held)
        } else {
            State::Renewing(held)
        };
        vec![action]
    }
}

/// T1 and T2 in seconds: the server's when they are in order, else a half and seven eighths of
/// the lease. At least one second, so that no server can make the client spin.
fn times(lease: u32, renewal: Option<u32>, rebinding: Option<u32>) -> (u32, u32) {
    if lease == FOREVER {
        return (FOREVER, FOREVER);
    }
    let rebind = rebinding
        .filter(|t2| *t2 < lease)
        .unwrap_or(lease - lease.div_ceil(8))
        .max(1);
    let renew = renewal
        .filter(|t1| *t1 < rebind)
        .unwrap_or(rebind.min(lease / 2))
        .max(1);
    (renew, rebind)
}

fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    (1..=223).contains(&first) && first != 127
}
