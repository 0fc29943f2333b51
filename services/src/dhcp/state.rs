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

#[cfg(test)]
mod tests {
    use super::*;

    const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);
    const RANDOM: u32 = 7;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn reply(kind: Kind) -> Reply {
        Reply {
            kind,
            transaction: RANDOM,
            hardware: HARDWARE,
            address: ADDRESS,
            server: Some(SERVER),
            prefix_length: Some(24),
            router: Some(SERVER),
            dns: vec![SERVER],
            domain: None,
            mtu: None,
            lease_time: Some(1000),
            renewal_time: None,
            rebinding_time: None,
        }
    }

    /// A client with a lease of 1000 s since second 0: T1 at 500, T2 at 875.
    fn bound() -> Client {
        let mut client = Client::new(HARDWARE, at(0));
        client.wake(at(0), RANDOM);
        client.receive(&reply(Kind::Offer), at(0), RANDOM);
        let actions = client.receive(&reply(Kind::Ack), at(0), RANDOM);
        assert!(matches!(&actions[..], [Action::Bound(lease)] if lease.address == ADDRESS));
        client
    }

    fn kinds(actions: &[Action]) -> Vec<&'static str> {
        actions
            .iter()
            .map(|action| match action {
                Action::Broadcast(request) if request.kind == Kind::Discover => "discover",
                Action::Broadcast(_) => "broadcast",
                Action::Unicast(..) => "unicast",
                Action::Bound(_) => "bound",
                Action::Expired => "expired",
            })
            .collect()
    }

    #[test]
    fn an_offer_is_requested_and_acknowledged() {
        let mut client = Client::new(HARDWARE, at(3));
        assert_eq!(kinds(&client.wake(at(3), RANDOM)), ["discover"]);
        let actions = client.receive(&reply(Kind::Offer), at(4), 99);
        let [Action::Broadcast(request)] = actions[..] else {
            panic!("{actions:?}")
        };
        assert_eq!(
            (
                request.wanted,
                request.server,
                request.transaction,
                request.seconds
            ),
            (Some(ADDRESS), Some(SERVER), RANDOM, 1)
        );
        assert_eq!(
            kinds(&client.receive(&reply(Kind::Ack), at(4), 99)),
            ["bound"]
        );
        assert_eq!(client.wake_at(), at(504));
        assert!(
            client.receive(&reply(Kind::Ack), at(5), 99).is_empty(),
            "twice"
        );
    }

    #[test]
    fn without_an_answer_it_asks_ever_more_slowly_and_for_ever() {
        let mut client = Client::new(HARDWARE, at(0));
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let now = client.wake_at();
            assert_eq!(kinds(&client.wake(now, 0)), ["discover"]);
            pauses.push((client.wake_at() - now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 16, 16]);
        let now = client.wake_at();
        client.wake(now, u32::MAX);
        assert!(
            client.wake_at() - now < at(18),
            "spread by at most an eighth"
        );
    }

    #[test]
    fn an_unanswered_request_goes_back_to_looking() {
        let mut client = Client::new(HARDWARE, at(0));
        client.wake(at(0), RANDOM);
        client.receive(&reply(Kind::Offer), at(0), RANDOM);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.extend(kinds(&client.wake(client.wake_at(), RANDOM)));
        }
        assert_eq!(seen, ["broadcast", "broadcast", "broadcast", "discover"]);
    }

    #[test]
    fn a_refusal_starts_anew_but_not_at_once() {
        let mut client = Client::new(HARDWARE, at(0));
        client.wake(at(0), RANDOM);
        client.receive(&reply(Kind::Offer), at(0), RANDOM);
        assert!(client.receive(&reply(Kind::Nak), at(1), RANDOM).is_empty());
        assert!(client.wake(at(2), RANDOM).is_empty());
        assert_eq!(kinds(&client.wake(at(17), RANDOM)), ["discover"]);
    }

    #[test]
    fn others_answers_change_nothing() {
        let strangers = [
            Reply {
                transaction: 8,
                ..reply(Kind::Offer)
            },
            Reply {
                hardware: [9; 6],
                ..reply(Kind::Offer)
            },
            Reply {
                server: None,
                ..reply(Kind::Offer)
            },
            Reply {
                address: Ipv4Addr::BROADCAST,
                ..reply(Kind::Offer)
            },
            reply(Kind::Ack),
            reply(Kind::Nak),
        ];
        for stranger in strangers {
            let mut client = Client::new(HARDWARE, at(0));
            client.wake(at(0), RANDOM);
            let before = format!("{client:?}");
            assert!(client.receive(&stranger, at(0), RANDOM).is_empty());
            assert_eq!(format!("{client:?}"), before);
        }
        let mut client = Client::new(HARDWARE, at(0));
        client.wake(at(0), RANDOM);
        client.receive(&reply(Kind::Offer), at(0), RANDOM);
        let other = Some(Ipv4Addr::new(192, 0, 2, 66));
        for kind in [Kind::Ack, Kind::Nak] {
            let stranger = Reply {
                server: other,
                ..reply(kind)
            };
            assert!(client.receive(&stranger, at(0), RANDOM).is_empty());
            assert!(matches!(client.state, State::Requesting { .. }));
        }
    }

    #[test]
    fn a_lease_is_renewed_with_its_server() {
        let mut client = bound();
        assert!(client.wake(at(499), 8).is_empty());
        let actions = client.wake(at(500), 8);
        let [Action::Unicast(request, SERVER)] = actions[..] else {
            panic!("{actions:?}")
        };
        assert_eq!(
            (
                request.in_use,
                request.wanted,
                request.server,
                request.transaction
            ),
            (Some(ADDRESS), None, None, 8)
        );
        let renewed = Reply {
            transaction: 8,
            ..reply(Kind::Ack)
        };
        assert_eq!(kinds(&client.receive(&renewed, at(501), 8)), ["bound"]);
        assert_eq!(client.wake_at(), at(1001));
    }

    #[test]
    fn a_silent_server_is_asked_again_then_any_then_the_lease_ends() {
        let mut client = bound();
        let mut seen = Vec::new();
        while client.wake_at() <= at(1000) {
            let now = client.wake_at();
            seen.extend(
                kinds(&client.wake(now, RANDOM))
                    .into_iter()
                    .map(|kind| (now.as_secs(), kind)),
            );
        }
        assert_eq!(
            seen,
            [
                (500, "unicast"),
                (687, "unicast"),
                (781, "unicast"),
                (841, "unicast"),
                (875, "broadcast"),
                (937, "broadcast"),
                (997, "broadcast"),
                (1000, "expired"),
                (1000, "discover"),
            ]
        );
    }

    #[test]
    fn a_refused_renewal_ends_the_lease() {
        for second in [500, 875] {
            let mut client = bound();
            client.wake(at(second), RANDOM);
            assert_eq!(
                kinds(&client.receive(&reply(Kind::Nak), at(second), 1)),
                ["expired"]
            );
        }
    }

    #[test]
    fn a_lease_for_ever_is_never_renewed() {
        let mut client = Client::new(HARDWARE, at(0));
        client.wake(at(0), RANDOM);
        client.receive(&reply(Kind::Offer), at(0), RANDOM);
        let forever = Reply {
            lease_time: Some(FOREVER),
            ..reply(Kind::Ack)
        };
        assert_eq!(kinds(&client.receive(&forever, at(0), RANDOM)), ["bound"]);
        assert_eq!(client.wake_at(), Duration::MAX);
    }

    #[test]
    fn no_server_makes_the_client_spin() {
        for lease in [0, 1, 2, 7, 60, FOREVER - 1, FOREVER] {
            for t1 in [None, Some(0), Some(1), Some(lease), Some(FOREVER)] {
                for t2 in [None, Some(0), Some(1), Some(lease), Some(FOREVER)] {
                    let mut client = Client::new(HARDWARE, at(0));
                    client.wake(at(0), RANDOM);
                    client.receive(&reply(Kind::Offer), at(0), RANDOM);
                    let ack = Reply {
                        lease_time: Some(lease),
                        renewal_time: t1,
                        rebinding_time: t2,
                        ..reply(Kind::Ack)
                    };
                    client.receive(&ack, at(0), RANDOM);
                    assert!(client.wake_at() >= at(1), "{lease} {t1:?} {t2:?}");
                }
            }
        }
    }
}
