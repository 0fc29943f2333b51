//! DHCPv4 messages: RFC 2131 (the fixed part), RFC 2132 (options), RFC 3396 (long options).
//!
//! Written here and not taken from a crate: a client reads nine options and writes seven, while the
//! crate for it brings a DNS library with Unicode tables along.

use std::net::Ipv4Addr;

use orlop_control::MAX_DNS;

const BOOTREQUEST: u8 = 1;
const BOOTREPLY: u8 = 2;
const ETHERNET: u8 = 1;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Up to where the options start: the fixed part and the cookie.
const FIXED: usize = 240;
/// What BOOTP servers and relays expect at least (RFC 1542).
const LEAST: usize = 300;

/// What a message is for (option 53).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A client looks for servers.
    Discover = 1,
    /// A server offers an address.
    Offer = 2,
    /// A client takes an offer, or wants to keep what it has.
    Request = 3,
    /// A server agrees.
    Ack = 5,
    /// A server refuses.
    Nak = 6,
}

/// A message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// Discover or Request.
    pub(super) kind: Kind,
    /// Which answers belong to it.
    pub(super) transaction: u32,
    /// Seconds since the client began to ask.
    pub(super) seconds: u16,
    /// The link's hardware address.
    pub(super) hardware: [u8; 6],
    /// The address in use, when it is to be renewed.
    pub(super) in_use: Option<Ipv4Addr>,
    /// The address wanted (option 50).
    pub(super) wanted: Option<Ipv4Addr>,
    /// The server whose offer is taken (option 54).
    pub(super) server: Option<Ipv4Addr>,
}

/// A server's message, only what a client reads of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Offer, Ack or Nak.
    pub(super) kind: Kind,
    /// The transaction it answers.
    pub(super) transaction: u32,
    /// Whose it is.
    pub(super) hardware: [u8; 6],
    /// The address given (yiaddr).
    pub(super) address: Ipv4Addr,
    /// The server (option 54).
    pub(super) server: Option<Ipv4Addr>,
    /// The network's mask as a prefix length (option 1), when it is one.
    pub(super) prefix_length: Option<u8>,
    /// The first router (option 3).
    pub(super) router: Option<Ipv4Addr>,
    /// Resolvers (option 6), at most [`MAX_DNS`].
    pub(super) dns: Vec<Ipv4Addr>,
    /// The domain (option 15), when it is printable ASCII.
    pub(super) domain: Option<String>,
    /// The MTU (option 26).
    pub(super) mtu: Option<u16>,
    /// Seconds for which the address is given (option 51); 0xffffffff is for ever.
    pub(super) lease_time: Option<u32>,
    /// When to renew (option 58), seconds.
    pub(super) renewal_time: Option<u32>,
    /// When to ask any server (option 59), seconds.
    pub(super) rebinding_time: Option<u32>,
}

impl Request {
    /// The message's bytes.
    #[must_use]
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![BOOTREQUEST, ETHERNET, 6, 0];
        bytes.extend_from_slice(&self.transaction.to_be_bytes());
        bytes.extend_from_slice(&self.seconds.to_be_bytes());
        // No broadcast flag: the packet socket receives what is sent to an address that the link
        // does not have yet.
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.in_use.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&self.hardware);
        bytes.resize(FIXED - COOKIE.len(), 0);
        bytes.extend_from_slice(&COOKIE);
        option(&mut bytes, 53, &[self.kind as u8]);
        let [a, b, c, d, e, f] = self.hardware;
        option(&mut bytes, 61, &[ETHERNET, a, b, c, d, e, f]);
        if let Some(wanted) = self.wanted {
            option(&mut bytes, 50, &wanted.octets());
        }
        if let Some(server) = self.server {
            option(&mut bytes, 54, &server.octets());
        }
        option(&mut bytes, 57, &1500_u16.to_be_bytes());
        option(&mut bytes, 55, &[1, 3, 6, 15, 26, 51, 54, 58, 59]);
        bytes.push(255);
        bytes.resize(bytes.len().max(LEAST), 0);
        bytes
    }
}

fn option(bytes: &mut Vec<u8>, code: u8, value: &[u8]) {
    bytes.push(code);
    bytes.push(u8::try_from(value.len()).unwrap_or(0));
    bytes.extend_from_slice(value);
}

impl Reply {
    /// Reads a message; `None` when it is not a server's answer to an Ethernet client. Options of
    /// a wrong length are as good as absent.
    #[must_use]
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let fixed = bytes.first_chunk::<FIXED>()?;
        let [op, kind, length, _, t0, t1, t2, t3, ..] = *fixed;
        if (op, kind, length) != (BOOTREPLY, ETHERNET, 6) || !fixed.ends_with(&COOKIE) {
            return None;
        }
        let options = Options::read(bytes)?;
        let message_kind = match options.get(53)? {
            [2] => Kind::Offer,
            [5] => Kind::Ack,
            [6] => Kind::Nak,
            _ => return None,
        };
        let address = |code| options.get(code).and_then(|value| addresses(value).next());
        let seconds = |code| options.get(code)?.try_into().ok().map(u32::from_be_bytes);
        Some(Self {
            kind: message_kind,
            transaction: u32::from_be_bytes([t0, t1, t2, t3]),
            hardware: fixed.get(28..34)?.try_into().ok()?,
            address: addresses(fixed.get(16..20)?).next()?,
            server: address(54),
            prefix_length: address(1).and_then(prefix_length),
            router: address(3),
            dns: options
                .get(6)
                .map(|dns| addresses(dns).take(MAX_DNS).collect())
                .unwrap_or_default(),
            domain: options.get(15).and_then(domain),
            mtu: options
                .get(26)
                .and_then(|mtu| mtu.try_into().ok())
                .map(u16::from_be_bytes),
            lease_time: seconds(51),
            renewal_time: seconds(58),
            rebinding_time: seconds(59),
        })
    }
}

/// The options of a message. An option may come in pieces, which are put together.
struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    /// Reads the options after the cookie and, when option 52 says so, in the fields `file` and
    /// `sname`.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut options = Self(Vec::new());
        options.read_field(bytes.get(FIXED..)?);
        let overload = match options.get(52) {
            Some([overload @ 1..=3]) => *overload,
            _ => 0,
        };
        if overload & 1 != 0 {
            options.read_field(bytes.get(108..236)?);
        }
        if overload & 2 != 0 {
            options.read_field(bytes.get(44..108)?);
        }
        Some(options)
    }

    /// Reads until the end option, the end of the field, or an option that is cut off.
    fn read_field(&mut self, mut field: &[u8]) {
        while let Some((&code, rest)) = field.split_first() {
            match code {
                0 => field = rest,
                255 => return,
                _ => {
                    let Some((&length, rest)) = rest.split_first() else {
                        return;
                    };
                    let Some((value, rest)) = rest.split_at_checked(usize::from(length)) else {
                        return;
                    };
                    match self.0.iter_mut().find(|(known, _)| *known == code) {
                        Some((_, known)) => known.extend_from_slice(value),
                        None => self.0.push((code, value.to_vec())),
                    }
                    field = rest;
                }
            }
        }
    }

    fn get(&self, code: u8) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, value)| value.as_slice())
    }
}

fn addresses(value: &[u8]) -> impl Iterator<Item = Ipv4Addr> {
    value
        .as_chunks::<4>()
        .0
        .iter()
        .map(|octets| Ipv4Addr::from_octets(*octets))
}

/// The length of a mask whose ones are all in front.
fn prefix_length(mask: Ipv4Addr) -> Option<u8> {
    let length = mask.to_bits().leading_ones();
    (length > 0 && mask.to_bits().trailing_zeros() == 32 - length)
        .then(|| u8::try_from(length).ok())
        .flatten()
}

/// A domain name; some servers end it with a NUL.
fn domain(value: &[u8]) -> Option<String> {
    let text = str::from_utf8(value).ok()?.trim_end_matches('\0');
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (!text.is_empty() && text.len() <= 253 && text.bytes().all(good)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer with these options after the cookie.
    fn reply(options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![BOOTREPLY, ETHERNET, 6, 0, 0xde, 0xad, 0xbe, 0xef];
        bytes.resize(16, 0);
        bytes.extend_from_slice(&[10, 0, 2, 15]);
        bytes.resize(28, 0);
        bytes.extend_from_slice(&[2, 0, 0, 0, 0, 1]);
        bytes.resize(236, 0);
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(options);
        bytes
    }

    const OPTIONS: &[u8] = &[
        53, 1, 5, 54, 4, 10, 0, 2, 2, 1, 4, 255, 255, 255, 0, 3, 8, 10, 0, 2, 2, 10, 0, 2, 9, 6, 4,
        10, 0, 2, 3, 0, 0, 15, 4, b'l', b'a', b'n', 0, 26, 2, 5, 220, 51, 4, 0, 1, 81, 128, 58, 4,
        0, 0, 168, 192, 59, 4, 0, 1, 39, 80, 255, 53, 1, 6,
    ];

    #[test]
    fn an_answer_is_read() {
        let [server, dns] = [2, 3].map(|host| Ipv4Addr::new(10, 0, 2, host));
        let expected = Reply {
            kind: Kind::Ack,
            transaction: 0xdead_beef,
            hardware: [2, 0, 0, 0, 0, 1],
            address: Ipv4Addr::new(10, 0, 2, 15),
            server: Some(server),
            prefix_length: Some(24),
            router: Some(server),
            dns: vec![dns],
            domain: Some("lan".to_owned()),
            mtu: Some(1500),
            lease_time: Some(86_400),
            renewal_time: Some(43_200),
            rebinding_time: Some(75_600),
        };
        assert_eq!(Reply::decode(&reply(OPTIONS)), Some(expected));
    }

    #[test]
    fn options_may_come_in_pieces_and_in_other_fields() {
        let mut bytes = reply(&[52, 1, 3, 6, 4, 1, 1, 1, 1, 255]);
        bytes[108..120].copy_from_slice(&[53, 1, 2, 6, 3, 2, 2, 2, 255, 0, 0, 0]);
        bytes[44..48].copy_from_slice(&[6, 1, 2, 255]);
        let read = Reply::decode(&bytes).unwrap();
        assert_eq!(read.kind, Kind::Offer);
        assert_eq!(
            read.dns,
            [Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(2, 2, 2, 2)]
        );
    }

    #[test]
    fn what_is_no_answer_is_not_read() {
        for (at, byte) in [
            (0, 1),
            (1, 6),
            (2, 16),
            (236, 0),
            (239, 0),
            (242, 1),
            (242, 9),
        ] {
            let mut bytes = reply(OPTIONS);
            bytes[at] = byte;
            assert_eq!(Reply::decode(&bytes), None, "byte {at}");
        }
        assert_eq!(Reply::decode(&reply(&[])), None, "without a kind");
        assert_eq!(Reply::decode(&reply(OPTIONS)[..239]), None);
    }

    #[test]
    fn a_value_of_a_wrong_shape_is_absent() {
        let read =
            |options: &[u8]| Reply::decode(&reply(&[&[53, 1, 5], options].concat())).unwrap();
        assert_eq!(read(&[1, 4, 255, 0, 255, 0]).prefix_length, None);
        assert_eq!(read(&[1, 4, 0, 0, 0, 0]).prefix_length, None);
        assert_eq!(read(&[1, 4, 255, 255, 255, 255]).prefix_length, Some(32));
        assert_eq!(read(&[51, 3, 1, 1, 1]).lease_time, None);
        assert_eq!(read(&[15, 4, b'a', b'\n', b'b', b'c']).domain, None);
        assert!(read(&[6, 200, 1]).dns.is_empty());
        let many = [&[6, 252][..], &[1; 252]].concat();
        assert_eq!(read(&many).dns.len(), MAX_DNS);
    }

    #[test]
    fn a_question_is_what_servers_expect() {
        let request = Request {
            kind: Kind::Request,
            transaction: 0xdead_beef,
            seconds: 3,
            hardware: [2, 0, 0, 0, 0, 1],
            in_use: None,
            wanted: Some(Ipv4Addr::new(10, 0, 2, 15)),
            server: Some(Ipv4Addr::new(10, 0, 2, 2)),
        };
        let bytes = request.encode();
        assert_eq!(bytes.len(), LEAST);
        assert_eq!(
            bytes[..12],
            [1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 3, 0, 0]
        );
        assert_eq!(bytes[28..34], [2, 0, 0, 0, 0, 1]);
        assert_eq!(bytes[236..243], [99, 130, 83, 99, 53, 1, 3]);
        assert_eq!(bytes[252..264], [50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2]);
    }

    proptest! {
        #[test]
        fn no_options_are_too_strange(options in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _read = Reply::decode(&reply(&options));
        }

        #[test]
        fn no_cut_or_change_is(at in 0_usize..300, byte: u8, cut in 0_usize..320) {
            let mut bytes = reply(OPTIONS);
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
            bytes.truncate(cut);
            if let Some(read) = Reply::decode(&bytes) {
                prop_assert!(read.dns.len() <= MAX_DNS);
            }
        }
    }
}
