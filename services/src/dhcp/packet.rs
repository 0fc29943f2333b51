//! IPv4 and UDP headers, for a client that has no address yet and so no UDP socket to use.
//! RFC 791, RFC 768.

use std::net::Ipv4Addr;

/// The port of DHCP servers.
pub(super) const SERVER_PORT: u16 = 67;
/// The port of DHCP clients.
pub(super) const CLIENT_PORT: u16 = 68;

const UDP: u8 = 17;

/// A broadcast from an address (or none yet) to all servers on the link.
#[must_use]
pub(super) fn broadcast(source: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let udp_length = u16::try_from(payload.len() + 8).unwrap_or(u16::MAX);
    let total = udp_length.saturating_add(20);
    let destination = Ipv4Addr::BROADCAST;

    let mut header = vec![0x45, 0x10]; // 20 bytes; low delay, as others do
    header.extend_from_slice(&total.to_be_bytes());
    header.extend_from_slice(&[0, 0, 0x40, 0, 64, UDP, 0, 0]); // not to be fragmented, TTL 64
    header.extend_from_slice(&source.octets());
    header.extend_from_slice(&destination.octets());
    let sum = checksum(&[&header]).to_be_bytes();

    let mut udp = Vec::with_capacity(payload.len() + 8);
    udp.extend_from_slice(&CLIENT_PORT.to_be_bytes());
    udp.extend_from_slice(&SERVER_PORT.to_be_bytes());
    udp.extend_from_slice(&udp_length.to_be_bytes());
    udp.extend_from_slice(&[0; 2]);
    udp.extend_from_slice(payload);
    let [high, low] = udp_length.to_be_bytes();
    let pseudo = [source.octets(), destination.octets(), [0, UDP, high, low]].concat();
    // Zero would mean that there is no checksum.
    let udp_sum = match checksum(&[&pseudo, &udp]) {
        0 => u16::MAX,
        sum => sum,
    };

    let mut packet = header;
    put(&mut packet, 10, sum);
    put(&mut udp, 6, udp_sum.to_be_bytes());
    packet.extend_from_slice(&udp);
    packet
}

/// The payload of a packet, when it is IPv4 UDP from a server's to a client's port and whole.
///
/// The UDP checksum is not looked at: what another guest of the same host sends comes with a
/// checksum that its card would have filled in.
#[must_use]
pub(super) fn payload(packet: &[u8]) -> Option<&[u8]> {
    let &[version, _, t0, t1, _, _, f0, f1, _, protocol, ..] = packet.first_chunk::<20>()?;
    let header = usize::from(version & 0xf) * 4;
    let total = usize::from(u16::from_be_bytes([t0, t1]));
    // More fragments to come, or a later one.
    let fragment = u16::from_be_bytes([f0, f1]) & 0x3fff != 0;
    if version >> 4 != 4 || header < 20 || protocol != UDP || fragment {
        return None;
    }
    let (header, udp) = packet.get(..total)?.split_at_checked(header)?;
    if checksum(&[header]) != 0 {
        return None;
    }
    let &[s0, s1, d0, d1, l0, l1, ..] = udp.first_chunk::<8>()?;
    let ports = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    if ports != (SERVER_PORT, CLIENT_PORT) {
        return None;
    }
    udp.get(8..usize::from(u16::from_be_bytes([l0, l1])))
}

fn put(bytes: &mut [u8], at: usize, value: [u8; 2]) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value);
    }
}

/// RFC 1071; each part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        let (words, rest) = part.as_chunks::<2>();
        for word in words {
            sum += u32::from(u16::from_be_bytes(*word));
        }
        if let [last] = rest {
            sum += u32::from(*last) << 8;
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_broadcast_has_right_checksums() {
        let packet = broadcast(Ipv4Addr::UNSPECIFIED, b"odd");
        assert_eq!(checksum(&[&packet[..20]]), 0);
        let pseudo = [0, 0, 0, 0, 255, 255, 255, 255, 0, 17, 0, 11];
        assert_eq!(checksum(&[&pseudo, &packet[20..]]), 0);
        assert_eq!(packet.len(), 31);
    }

    fn reply(payload: &[u8]) -> Vec<u8> {
        let mut packet = broadcast(Ipv4Addr::new(10, 0, 2, 2), payload);
        packet.swap(20, 22);
        packet.swap(21, 23);
        packet
    }

    #[test]
    fn only_whole_answers_of_servers_are_read() {
        assert_eq!(payload(&reply(b"hello")), Some(&b"hello"[..]));
        assert_eq!(
            payload(&broadcast(Ipv4Addr::UNSPECIFIED, b"hello")),
            None,
            "a client's"
        );
        let mut trailing = reply(b"hello");
        trailing.extend_from_slice(b"ethernet padding");
        assert_eq!(payload(&trailing), Some(&b"hello"[..]));
        for (at, bits) in [(0, 0x20), (6, 0x20), (7, 0x01), (9, 0x01), (12, 0x01)] {
            let mut changed = reply(b"hello");
            changed[at] ^= bits;
            assert_eq!(payload(&changed), None, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_packet_is_too_strange(packet in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _read = payload(&packet);
        }

        #[test]
        fn no_change_of_a_good_packet_is(at in 0_usize..33, byte: u8, cut in 0_usize..40) {
            let mut packet = reply(b"hello");
            packet[at] = byte;
            packet.truncate(cut);
            let _read = payload(&packet);
        }
    }
}
