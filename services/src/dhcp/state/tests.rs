//! The client of one link, without a network.

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
