//! One frame, and finding frames in a stream of bytes that may begin anywhere.

/// What every frame begins with.
pub const MAGIC: [u8; 4] = *b"OGW1";
/// The most bytes that one frame carries.
pub const MAX_PAYLOAD: usize = 32 * 1024;
/// Magic, channel and length.
const HEADER: usize = 12;
/// The frame that drops all channels, as its bytes. No other payload can hold them: payloads are
/// varlink messages, in which no two NUL bytes follow one another.
const RESET: [u8; 17] = *b"OGW1\0\0\0\0\0\0\0\x05reset";

/// One frame of the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The control connection it belongs to; 0 is for the two ends themselves.
    pub channel: u32,
    /// At most [`MAX_PAYLOAD`] bytes; none closes the channel.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The frame as it travels. A payload beyond [`MAX_PAYLOAD`] is cut: callers send chunks.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let payload = self
            .payload
            .get(..MAX_PAYLOAD)
            .unwrap_or(self.payload.as_slice());
        let length = u32::try_from(payload.len()).unwrap_or(0);
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.channel.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }
}

/// Turns bytes into frames. What is no frame is skipped up to the next magic; a frame that was cut
/// off by its sender's end is left behind as soon as the next sender's `reset` is seen.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// The last bytes that came, whatever became of them: a reset may begin in what looked like the
    /// end of a frame that was cut off.
    tail: Vec<u8>,
    skipped: u64,
}

impl Decoder {
    /// Takes in what was read. Call [`Decoder::next_frame`] until it has no more, so that at most
    /// one incomplete frame stays in memory.
    pub fn push(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        // Everything before a reset is about channels that it drops.
        if let Some(at) = self.tail.windows(RESET.len()).rposition(|w| w == RESET) {
            self.buffer = self.tail.split_off(at);
            self.tail = self.buffer.clone();
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        let keep = self.tail.len().saturating_sub(RESET.len() - 1);
        self.tail.drain(..keep);
    }

    /// The next whole frame, if there is one.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let start = start_of_magic(&self.buffer);
            self.skip(start, start);
            let length = u32_at(&self.buffer, 8)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > MAX_PAYLOAD {
                self.skip(1, 1);
                continue;
            }
            let payload = self.buffer.get(HEADER..HEADER + length)?.to_vec();
            let channel = u32_at(&self.buffer, 4)?;
            self.skip(HEADER + length, 0);
            return Some(Frame { channel, payload });
        }
    }

    /// How many bytes were no part of a frame so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Forgets an incomplete frame.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.tail.clear();
    }

    fn skip(&mut self, bytes: usize, lost: usize) {
        self.buffer.drain(..bytes.min(self.buffer.len()));
        self.skipped += lost as u64;
    }
}

/// Where the first magic begins, or could begin when more bytes come.
fn start_of_magic(buffer: &[u8]) -> usize {
    (0..buffer.len())
        .find(|&at| {
            let rest = buffer.get(at..).unwrap_or_default();
            rest.iter().zip(MAGIC).all(|(a, b)| *a == b)
        })
        .unwrap_or(buffer.len())
}

fn u32_at(buffer: &[u8], at: usize) -> Option<u32> {
    let bytes = buffer.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(decoder: &mut Decoder) -> Vec<Frame> {
        std::iter::from_fn(|| decoder.next_frame()).collect()
    }

    fn frame() -> impl Strategy<Value = Frame> {
        // Payloads without two NULs in a row, as varlink's are.
        (any::<u32>(), proptest::collection::vec(1u8.., 0..300))
            .prop_map(|(channel, payload)| Frame { channel, payload })
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            frames in proptest::collection::vec(frame(), 0..8),
            cut in 1usize..70,
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            for chunk in bytes.chunks(cut) {
                decoder.push(chunk);
                got.extend(drain(&mut decoder));
            }
            prop_assert_eq!(got, frames);
            prop_assert_eq!(decoder.skipped(), 0);
        }

        #[test]
        fn garbage_never_panics_and_never_grows(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4096), 0..32),
        ) {
            let mut decoder = Decoder::default();
            for chunk in chunks {
                decoder.push(&chunk);
                drain(&mut decoder);
                prop_assert!(decoder.buffer.len() <= HEADER + MAX_PAYLOAD);
            }
        }

        #[test]
        fn a_reset_is_seen_after_anything(
            before in proptest::collection::vec(any::<u8>(), 0..600),
            cut_off in frame(),
            keep in 0usize..300,
            cut in 1usize..40,
        ) {
            let mut bytes = before;
            let half = cut_off.encode();
            bytes.extend_from_slice(&half[..keep.min(half.len())]);
            bytes.extend_from_slice(&RESET);
            let follows = Frame { channel: 9, payload: b"{}\0".to_vec() };
            bytes.extend_from_slice(&follows.encode());
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            for chunk in bytes.chunks(cut) {
                decoder.push(chunk);
                got.extend(drain(&mut decoder));
            }
            let reset = Frame { channel: 0, payload: b"reset".to_vec() };
            prop_assert_eq!(got.get(got.len() - 2..), Some(&[reset, follows][..]));
        }
    }

    #[test]
    fn garbage_before_a_frame_is_skipped_and_counted() {
        let mut decoder = Decoder::default();
        decoder.push(b"OGOGWhello OG");
        assert_eq!(drain(&mut decoder), []);
        decoder.push(b"W1\0\0\0\x07\0\0\0\x02hi");
        let expected = Frame {
            channel: 7,
            payload: b"hi".to_vec(),
        };
        assert_eq!(drain(&mut decoder), [expected]);
        assert_eq!(decoder.skipped(), 11);
    }

    #[test]
    fn an_impossible_length_is_garbage() {
        let mut decoder = Decoder::default();
        decoder.push(b"OGW1\0\0\0\x01\xff\xff\xff\xffOGW1\0\0\0\x01\0\0\0\x01x");
        assert_eq!(drain(&mut decoder).len(), 1);
        assert_eq!(decoder.skipped(), 12);
    }
}
