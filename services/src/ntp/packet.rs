//! The 48 bytes of a request and of a reply (RFC 5905, section 7.3). Pure.
//!
//! What is checked is what a client that remembers one request can: the reply carries the random
//! number that the request had in the place of its transmit timestamp, so nobody who has not seen the
//! request can make one; nothing else of it tells anything of this machine.

use std::fmt;

/// Bytes of a message without extensions.
const LENGTH: usize = 48;
/// No leap second, version 4, client.
const CLIENT: u8 = 4 << 3 | 3;
const SERVER_MODE: u8 = 4;
const UNSYNCHRONISED: u8 = 3;
/// From 1900 to 1970.
const NTP_TO_UNIX: i64 = 2_208_988_800;
/// The seconds of one era: the count starts anew in 2036.
const ERA: i64 = 1 << 32;
/// Who may be so far from the right time knows nothing of use: 3 s, as chrony's `maxdistance`.
const MOST_DISTANCE: i64 = 3_000_000;

/// A server's answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    /// When it got the request: microseconds since 1970.
    pub(super) received_us: i64,
    /// When it answered.
    pub(super) sent_us: i64,
    /// How wrong it may be itself, microseconds.
    pub(super) distance_us: i64,
}

/// Why a message is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Not one of a server's to this request: as if it had never come.
    NotOurs,
    /// A kiss-o'-death: to be asked less often (`RATE`).
    TooOften,
    /// A kiss-o'-death: not to be asked (`DENY`, `RSTR`).
    Unwelcome,
    /// It does not know the time itself.
    Unsynchronised,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("no answer to our question"),
            Self::TooOften => f.write_str("wants to be asked less often"),
            Self::Unwelcome => f.write_str("wants to be left alone"),
            Self::Unsynchronised => f.write_str("does not know the time itself"),
        }
    }
}

/// The request that carries this number.
pub(super) fn request(cookie: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    if let Some(first) = bytes.first_mut() {
        *first = CLIENT;
    }
    if let Some(transmit) = bytes.last_chunk_mut() {
        *transmit = cookie.to_be_bytes();
    }
    bytes
}

/// The answer to the request that carried this number.
pub(super) fn parse(bytes: &[u8], cookie: u64) -> Result<Reply, Refused> {
    // Extensions and authentication may follow.
    let message: &[u8; LENGTH] = bytes.first_chunk().ok_or(Refused::NotOurs)?;
    let &[flags, stratum, _poll, _precision, ref delay @ ..] = message;
    let word = |at: usize| {
        let bytes = delay.get(at - 4..).and_then(|rest| rest.first_chunk());
        u32::from_be_bytes(bytes.copied().unwrap_or_default())
    };
    let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
    let version = flags >> 3 & 7;
    let origin = long(24);
    if flags & 7 != SERVER_MODE || !(1..=4).contains(&version) || origin != cookie {
        return Err(Refused::NotOurs);
    }
    if stratum == 0 {
        // A code in the place of the reference; the others are of servers that are not ready yet.
        return Err(match &word(12).to_be_bytes() {
            b"RATE" => Refused::TooOften,
            b"DENY" | b"RSTR" => Refused::Unwelcome,
            _ => Refused::Unsynchronised,
        });
    }
    let (received, sent) = (long(32), long(40));
    let distance_us = short_us(word(4)) / 2 + short_us(word(8));
    let knows = flags >> 6 != UNSYNCHRONISED && stratum < 16 && received != 0 && sent != 0;
    if !knows || distance_us > MOST_DISTANCE {
        return Err(Refused::Unsynchronised);
    }
    Ok(Reply {
        received_us: unix_us(received),
        sent_us: unix_us(sent),
        distance_us,
    })
}

/// A timestamp as microseconds since 1970. The era is that of 1968 to 2104 (RFC 4330, section 3).
fn unix_us(timestamp: u64) -> i64 {
    let [a, b, c, d, fraction @ ..] = timestamp.to_be_bytes();
    let seconds = i64::from(u32::from_be_bytes([a, b, c, d]));
    let era = if a & 0x80 == 0 { ERA } else { 0 };
    let micros = (u64::from(u32::from_be_bytes(fraction)) * 1_000_000) >> 32;
    (seconds + era - NTP_TO_UNIX) * 1_000_000 + i64::try_from(micros).unwrap_or_default()
}

/// 16 bits of seconds, 16 of their fraction, as microseconds.
fn short_us(short: u32) -> i64 {
    (i64::from(short) * 1_000_000) >> 16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COOKIE: u64 = 0x0123_4567_89ab_cdef;

    /// A good reply: stratum 1, at 2023-11-14 22:13:20 and a half.
    fn reply() -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..2].copy_from_slice(&[4 << 3 | 4, 1]);
        bytes[24..32].copy_from_slice(&COOKIE.to_be_bytes());
        let seconds = u32::try_from(1_700_000_000 + NTP_TO_UNIX).unwrap();
        for at in [32, 40] {
            bytes[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
            bytes[at + 4..at + 8].copy_from_slice(&0x8000_0000_u32.to_be_bytes());
        }
        bytes
    }

    fn with(at: usize, byte: u8) -> Result<Reply, Refused> {
        let mut bytes = reply();
        bytes[at] = byte;
        parse(&bytes, COOKIE)
    }

    #[test]
    fn a_request_tells_nothing_but_its_number() {
        let bytes = request(COOKIE);
        assert_eq!((bytes[0], &bytes[40..]), (0x23, &COOKIE.to_be_bytes()[..]));
        assert!(bytes[1..40].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_good_reply_is_read() {
        let read = parse(&reply(), COOKIE).unwrap();
        assert_eq!(read.received_us, 1_700_000_000_500_000);
        assert_eq!((read.sent_us, read.distance_us), (read.received_us, 0));
        // Behind an extension too, and of version 3.
        let longer = [&reply()[..], &[7; 20]].concat();
        assert_eq!(parse(&longer, COOKIE), Ok(read));
        assert_eq!(with(0, 3 << 3 | 4), Ok(read));
    }

    #[test]
    fn after_2036_the_count_has_begun_anew() {
        assert_eq!(unix_us(0), (ERA - NTP_TO_UNIX) * 1_000_000);
        assert_eq!(unix_us(1 << 63), ((1 << 31) - NTP_TO_UNIX) * 1_000_000);
    }

    #[test]
    fn what_is_not_ours_is_passed_over() {
        assert_eq!(parse(&reply(), COOKIE + 1), Err(Refused::NotOurs));
        assert_eq!(parse(&reply()[..47], COOKIE), Err(Refused::NotOurs));
        assert_eq!(parse(&[], COOKIE), Err(Refused::NotOurs));
        // A client's, a broadcast, version 0 and 7.
        for flags in [4 << 3 | 3, 4 << 3 | 5, 4, 7 << 3 | 4] {
            assert_eq!(with(0, flags), Err(Refused::NotOurs));
        }
        // A kiss that somebody forged without having seen the request.
        let mut kiss = reply();
        kiss[1] = 0;
        kiss[31] ^= 1;
        assert_eq!(parse(&kiss, COOKIE), Err(Refused::NotOurs));
    }

    #[test]
    fn who_does_not_know_the_time_is_not_believed() {
        assert_eq!(with(1, 16), Err(Refused::Unsynchronised));
        assert_eq!(with(1, 255), Err(Refused::Unsynchronised));
        assert_eq!(with(0, 3 << 6 | 4 << 3 | 4), Err(Refused::Unsynchronised));
        // A root dispersion of 4 s; a root delay of 8 s.
        assert_eq!(with(9, 4), Err(Refused::Unsynchronised));
        assert_eq!(with(5, 8), Err(Refused::Unsynchronised));
        let mut kiss = reply();
        kiss[1] = 0;
        assert_eq!(parse(&kiss, COOKIE), Err(Refused::Unsynchronised));
        for (code, means) in [
            (b"RATE", Refused::TooOften),
            (b"DENY", Refused::Unwelcome),
            (b"RSTR", Refused::Unwelcome),
            (b"INIT", Refused::Unsynchronised),
        ] {
            kiss[12..16].copy_from_slice(code);
            assert_eq!(parse(&kiss, COOKIE), Err(means));
        }
        let mut silent = reply();
        silent[40..].fill(0);
        assert_eq!(parse(&silent, COOKIE), Err(Refused::Unsynchronised));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _any_answer = parse(&bytes, COOKIE);
        }

        #[test]
        fn no_reply_leads_out_of_range(mut tail in proptest::collection::vec(any::<u8>(), 48)) {
            tail[..2].copy_from_slice(&[4 << 3 | 4, 1]);
            tail[24..32].copy_from_slice(&COOKIE.to_be_bytes());
            if let Ok(read) = parse(&tail, COOKIE) {
                prop_assert!((0..=MOST_DISTANCE).contains(&read.distance_us));
                prop_assert!(read.sent_us.abs() < 5_000_000_000_000_000);
            }
        }
    }
}
