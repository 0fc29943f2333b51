//! Many control connections over one port: both ends' bookkeeping, without any IO.
//!
//! ```text
//! host                         machine (service `gateway`)
//!   reset  ──────────────────▶  drops all channels
//!   opens from now on  ◀──────  ready
//!   data of a new channel ───▶  connects to the control socket
//! ```
//! Each side sends `reset` when it starts. The host answers the machine's with its own and opens
//! nothing before it has seen `ready`, so no connection is lost in a start of either.

use std::collections::{BTreeMap, VecDeque};

use super::frame::{Decoder, Frame, MAX_PAYLOAD};

/// The most channels open at a time.
pub const MAX_CHANNELS: usize = 64;

/// Which end this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The workstation: opens channels.
    Host,
    /// The service `gateway`: a channel is opened by its first bytes.
    Machine,
}

/// What the owner of the connections has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MuxEvent {
    /// The other end is there; the host may open channels (seen again after a `Reset`).
    Ready,
    /// A new channel: connect it. `Data` follows.
    Opened(u32),
    /// Bytes for a channel's connection.
    Received(u32, Vec<u8>),
    /// The other side closed it: write what is left to its connection, then close that.
    Closed(u32),
    /// The other side began anew: close every connection.
    Reset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Open,
    /// This side closed it; what still comes is dropped until the other side's close.
    Closing,
}

/// One end of the port. Bytes that were read go into [`Mux::receive`]; what is to be written comes
/// from [`Mux::next_chunk`], followed by [`Mux::written`].
#[derive(Debug)]
pub struct Mux {
    side: Side,
    decoder: Decoder,
    channels: BTreeMap<u32, Channel>,
    last_channel: u32,
    ready: bool,
    outbox: VecDeque<Vec<u8>>,
    /// How much of the outbox's first frame has been written.
    offset: usize,
}

impl Mux {
    /// A fresh end; its `reset` is the first thing to be written.
    #[must_use]
    pub fn new(side: Side) -> Self {
        let mut mux = Self {
            side,
            decoder: Decoder::default(),
            channels: BTreeMap::new(),
            last_channel: 0,
            ready: side == Side::Machine,
            outbox: VecDeque::new(),
            offset: 0,
        };
        mux.push(0, b"reset");
        mux
    }

    /// Takes in bytes of the port, whatever they are.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<MuxEvent> {
        self.decoder.push(bytes);
        let mut events = Vec::new();
        while let Some(frame) = self.decoder.next_frame() {
            self.take(frame, &mut events);
        }
        events
    }

    /// Host: a channel for a new connection; `None` before `Ready` and beyond [`MAX_CHANNELS`].
    pub fn open(&mut self) -> Option<u32> {
        if self.side == Side::Machine || !self.ready || self.channels.len() >= MAX_CHANNELS {
            return None;
        }
        loop {
            self.last_channel = self.last_channel.checked_add(1).unwrap_or(1);
            if !self.channels.contains_key(&self.last_channel) {
                break;
            }
        }
        self.channels.insert(self.last_channel, Channel::Open);
        Some(self.last_channel)
    }

    /// Queues bytes that a channel's connection sent. False when the channel is not open: then its
    /// connection is to be closed. Read connections only while [`Mux::pending`] is small.
    pub fn send(&mut self, channel: u32, bytes: &[u8]) -> bool {
        if self.channels.get(&channel) != Some(&Channel::Open) {
            return false;
        }
        for chunk in bytes.chunks(MAX_PAYLOAD) {
            self.push(channel, chunk);
        }
        true
    }

    /// The channel's connection has ended.
    pub fn close(&mut self, channel: u32) {
        if let Some(state) = self.channels.get_mut(&channel)
            && *state == Channel::Open
        {
            *state = Channel::Closing;
            self.push(channel, b"");
        }
    }

    /// Whether the channel is open.
    #[must_use]
    pub fn is_open(&self, channel: u32) -> bool {
        self.channels.get(&channel) == Some(&Channel::Open)
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub fn pending(&self) -> usize {
        let all: usize = self.outbox.iter().map(Vec::len).sum();
        all - self.offset
    }

    /// What to write next, at most one frame.
    #[must_use]
    pub fn next_chunk(&self) -> Option<&[u8]> {
        self.outbox.front()?.get(self.offset..)
    }

    /// So many bytes of [`Mux::next_chunk`] have been written.
    pub fn written(&mut self, bytes: usize) {
        self.offset += bytes;
        if self
            .outbox
            .front()
            .is_some_and(|frame| self.offset >= frame.len())
        {
            self.outbox.pop_front();
            self.offset = 0;
        }
    }

    /// The other end of the port is gone (POLLHUP, end of file, EPIPE): forgets all of it. What
    /// comes next begins with its `reset`.
    pub fn peer_gone(&mut self) {
        self.decoder.clear();
        self.channels.clear();
        self.outbox.clear();
        self.offset = 0;
        if self.side == Side::Host {
            self.ready = false;
            self.push(0, b"reset");
        }
    }

    fn take(&mut self, frame: Frame, events: &mut Vec<MuxEvent>) {
        let Frame { channel, payload } = frame;
        if channel == 0 {
            self.take_own(&payload, events);
            return;
        }
        let state = self.channels.get(&channel).copied();
        match (state, payload.is_empty()) {
            (Some(Channel::Open), false) => events.push(MuxEvent::Received(channel, payload)),
            (Some(Channel::Open), true) => {
                self.channels.remove(&channel);
                self.push(channel, b"");
                events.push(MuxEvent::Closed(channel));
            }
            (Some(Channel::Closing), true) => {
                self.channels.remove(&channel);
            }
            // Its connection came and went without a word; the host waits for this.
            (None, true) if self.side == Side::Machine => self.push(channel, b""),
            (Some(Channel::Closing), false) | (None, true) => {}
            (None, false) => self.take_unknown(channel, payload, events),
        }
    }

    fn take_own(&mut self, payload: &[u8], events: &mut Vec<MuxEvent>) {
        match (payload, self.side) {
            (b"reset", Side::Machine) => {
                self.drop_channels();
                self.push(0, b"ready");
                events.push(MuxEvent::Reset);
            }
            (b"reset", Side::Host) => {
                self.drop_channels();
                self.ready = false;
                self.push(0, b"reset");
                events.push(MuxEvent::Reset);
            }
            (b"ready", Side::Host) if !self.ready => {
                self.ready = true;
                events.push(MuxEvent::Ready);
            }
            // What a later version may say.
            _ => {}
        }
    }

    fn take_unknown(&mut self, channel: u32, payload: Vec<u8>, events: &mut Vec<MuxEvent>) {
        if self.side == Side::Machine && self.channels.len() < MAX_CHANNELS {
            self.channels.insert(channel, Channel::Open);
            events.push(MuxEvent::Opened(channel));
            events.push(MuxEvent::Received(channel, payload));
        } else {
            self.push(channel, b"");
        }
    }

    /// A frame that is half written stays: cutting it off would cost the reader the next one.
    fn drop_channels(&mut self) {
        self.channels.clear();
        self.outbox.truncate(usize::from(self.offset > 0));
    }

    fn push(&mut self, channel: u32, payload: &[u8]) {
        let payload = payload.to_vec();
        self.outbox.push_back(Frame { channel, payload }.encode());
    }
}
