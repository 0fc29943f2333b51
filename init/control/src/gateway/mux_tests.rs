//! Two ends joined by a wire that can cut, delay and lose.

use super::*;
use proptest::prelude::*;

/// Moves everything that one end has to write to the other, in pieces of `cut` bytes.
fn carry(from: &mut Mux, to: &mut Mux, cut: usize) -> Vec<MuxEvent> {
    let mut events = Vec::new();
    while let Some(chunk) = from.next_chunk() {
        let piece = chunk[..cut.min(chunk.len())].to_vec();
        from.written(piece.len());
        events.extend(to.receive(&piece));
    }
    events
}

fn settle(host: &mut Mux, machine: &mut Mux) -> (Vec<MuxEvent>, Vec<MuxEvent>) {
    let (mut at_host, mut at_machine) = (Vec::new(), Vec::new());
    while host.pending() + machine.pending() > 0 {
        at_machine.extend(carry(host, machine, 7));
        at_host.extend(carry(machine, host, 5));
    }
    (at_host, at_machine)
}

fn pair() -> (Mux, Mux) {
    let (mut host, mut machine) = (Mux::new(Side::Host), Mux::new(Side::Machine));
    let (at_host, _) = settle(&mut host, &mut machine);
    assert_eq!(at_host.last(), Some(&MuxEvent::Ready));
    (host, machine)
}

#[test]
fn nothing_is_opened_before_the_machine_is_ready() {
    assert_eq!(Mux::new(Side::Host).open(), None);
}

#[test]
fn a_channel_is_opened_by_its_first_bytes_and_closed_by_both() {
    let (mut host, mut machine) = pair();
    let channel = host.open().unwrap();
    assert!(host.send(channel, b"ask"));
    let (_, at_machine) = settle(&mut host, &mut machine);
    assert_eq!(
        at_machine,
        [
            MuxEvent::Opened(channel),
            MuxEvent::Received(channel, b"ask".to_vec())
        ]
    );
    assert!(machine.send(channel, b"answer"));
    machine.close(channel);
    assert!(!machine.send(channel, b"late"));
    let (at_host, at_machine) = settle(&mut host, &mut machine);
    assert_eq!(
        at_host,
        [
            MuxEvent::Received(channel, b"answer".to_vec()),
            MuxEvent::Closed(channel)
        ]
    );
    assert_eq!(at_machine, []);
    assert!(!host.is_open(channel) && !machine.is_open(channel));
    assert_ne!(host.open(), Some(channel));
}

#[test]
fn a_gateway_that_starts_anew_resets_the_host_and_serves_again() {
    let (mut host, _) = pair();
    let before = host.open().unwrap();
    let mut machine = Mux::new(Side::Machine);
    let (at_host, _) = settle(&mut host, &mut machine);
    assert_eq!(at_host, [MuxEvent::Reset, MuxEvent::Ready]);
    assert!(!host.send(before, b"lost"));
    let channel = host.open().unwrap();
    host.send(channel, b"again");
    let (_, at_machine) = settle(&mut host, &mut machine);
    assert_eq!(at_machine[0], MuxEvent::Opened(channel));
}

#[test]
fn a_host_that_died_within_a_frame_does_not_swallow_the_next_hosts_words() {
    let (mut host, mut machine) = pair();
    let channel = host.open().unwrap();
    host.send(channel, &[b'x'; 9000]);
    let half = host.next_chunk().unwrap()[..4000].to_vec();
    machine.receive(&half);
    let mut next = Mux::new(Side::Host);
    let (at_host, at_machine) = settle(&mut next, &mut machine);
    assert_eq!(at_machine, [MuxEvent::Reset]);
    assert_eq!(at_host, [MuxEvent::Ready]);
}

#[test]
fn a_reset_amid_a_half_written_frame_keeps_the_rest_of_it() {
    let (mut host, mut machine) = pair();
    let channel = host.open().unwrap();
    host.send(channel, b"ask");
    settle(&mut host, &mut machine);
    machine.send(channel, b"a long answer");
    machine.send(channel, b"and more");
    let piece = machine.next_chunk().unwrap()[..15].to_vec();
    machine.written(15);
    host.receive(&piece);
    machine.receive(
        &Frame {
            channel: 0,
            payload: b"reset".to_vec(),
        }
        .encode(),
    );
    let at_host = carry(&mut machine, &mut host, 100);
    assert_eq!(
        at_host,
        [MuxEvent::Received(channel, b"a long answer".to_vec())]
    );
}

#[test]
fn connections_that_never_say_a_word_use_up_no_channels() {
    let (mut host, mut machine) = pair();
    for _ in 0..2 * MAX_CHANNELS {
        let channel = host.open().unwrap();
        host.close(channel);
        settle(&mut host, &mut machine);
    }
}

#[test]
fn the_number_of_channels_is_bounded_on_both_sides() {
    let (mut host, mut machine) = pair();
    for _ in 0..MAX_CHANNELS {
        assert!(host.open().is_some());
    }
    assert_eq!(host.open(), None);
    for channel in 1..=u32::try_from(MAX_CHANNELS).unwrap() + 1 {
        let payload = b"x".to_vec();
        machine.receive(&Frame { channel, payload }.encode());
    }
    // The one too many was answered with its close.
    assert_eq!(machine.pending(), 12);
}

proptest! {
    #[test]
    fn bytes_of_all_channels_arrive_in_order(
        messages in proptest::collection::vec((0usize..5, proptest::collection::vec(1u8.., 1..200)), 0..40),
        cut in 1usize..100,
    ) {
        let (mut host, mut machine) = pair();
        let channels: Vec<u32> = (0..5).map(|_| host.open().unwrap()).collect();
        let mut sent = vec![Vec::new(); 5];
        for (index, bytes) in &messages {
            host.send(channels[*index], bytes);
            sent[*index].extend_from_slice(bytes);
        }
        let mut got = vec![Vec::new(); 5];
        for event in carry(&mut host, &mut machine, cut) {
            if let MuxEvent::Received(channel, bytes) = event {
                let index = channels.iter().position(|c| *c == channel).unwrap();
                got[index].extend(bytes);
            }
        }
        prop_assert_eq!(got, sent);
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for side in [Side::Host, Side::Machine] {
            let mut mux = Mux::new(side);
            mux.receive(&bytes);
            prop_assert!(mux.pending() <= 12 * (bytes.len() + 2));
        }
    }
}
