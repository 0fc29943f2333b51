//! A channel that carries the streams of an exec ([`ExecMessage`]).

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use orlop_control::varlink::Messages;
use orlop_control::{Base64, ExecMessage, WINDOW};

use super::wire::Part;
use crate::exec::{Output, Streams, TURN};

/// The longest message of the workstation's: a whole window of input as Base64.
const MAX_MESSAGE: usize = 2 * WINDOW;
/// The most that PID 1 has to say about the process's end.
const MAX_LAST: usize = 16 * 1024;

/// The process's streams, and what is known of the workstation's.
#[derive(Debug)]
pub(super) struct Exec {
    streams: Streams,
    /// From the workstation.
    messages: Messages,
    /// Output that was sent and is not taken yet.
    untaken: usize,
    /// What PID 1 says after the first reply: the process's end.
    last: Vec<u8>,
    over: bool,
}

impl Exec {
    /// With the descriptors that came from PID 1.
    pub(super) fn new(fds: Vec<OwnedFd>) -> Result<Self, Errno> {
        Ok(Self {
            streams: Streams::new(fds)?,
            messages: Messages::new(MAX_MESSAGE),
            untaken: 0,
            last: Vec::new(),
            over: false,
        })
    }

    /// Whether PID 1 has said all.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn wanted(
        &self,
        room: bool,
    ) -> impl Iterator<Item = (Part, BorrowedFd<'_>, PollFlags)> {
        let room = room && self.untaken < WINDOW;
        let outputs = Output::BOTH.into_iter().filter(move |_| room);
        let outputs = outputs.filter_map(|which| Some((which, self.streams.output(which)?)));
        let outputs = outputs.map(|(which, fd)| (Part::Output(which), fd, PollFlags::POLLIN));
        let input = self
            .streams
            .full()
            .map(|fd| (Part::Input, fd, PollFlags::POLLOUT));
        outputs.chain(input)
    }

    /// Takes what the workstation sends, and gives the answer to it; `None` when it breaks the rules.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.messages.push(bytes);
        loop {
            // Too long a message is none of ours.
            let Some(message) = self.messages.next_message().ok()? else {
                return Some(self.input());
            };
            match ExecMessage::decode(&message) {
                Some(ExecMessage::Stdin(Base64(bytes))) => {
                    self.streams.push(&bytes);
                    if self.streams.waiting() > WINDOW {
                        return None;
                    }
                }
                Some(ExecMessage::Taken(bytes)) => {
                    self.untaken = self.untaken.saturating_sub(bytes);
                }
                _ => return None,
            }
        }
    }

    /// What the process has written, as messages; nothing when there is nothing now.
    pub(super) fn output(&mut self, which: Output) -> Vec<u8> {
        let mut buffer = [0; TURN];
        let bytes = self.streams.read(which, &mut buffer);
        if bytes.is_empty() {
            return Vec::new();
        }
        self.untaken += bytes.len();
        let bytes = Base64(bytes.to_vec());
        match which {
            Output::Stdout => ExecMessage::Stdout(bytes),
            Output::Stderr => ExecMessage::Stderr(bytes),
        }
        .encode()
    }

    /// Writes input, and says how much has gone.
    pub(super) fn input(&mut self) -> Vec<u8> {
        match self.streams.flush() {
            0 => Vec::new(),
            taken => ExecMessage::Taken(taken).encode(),
        }
    }

    /// PID 1 has said something more; nothing is the end. False when it is more than it has to say.
    pub(super) fn told(&mut self, bytes: &[u8]) -> bool {
        if bytes.is_empty() && !self.over {
            self.over = true;
            self.streams.end();
        }
        self.last.extend(bytes);
        self.last.len() <= MAX_LAST
    }

    /// What is left of the output, then how it ended, and whether that was all; `None` while there is
    /// no room for it.
    pub(super) fn settle(&mut self, room: bool) -> Option<(Vec<u8>, bool)> {
        if !room || self.untaken >= WINDOW {
            return None;
        }
        let left = Output::BOTH.into_iter().find_map(|which| {
            let bytes = self.output(which);
            (!bytes.is_empty()).then_some(bytes)
        });
        Some(match left {
            Some(bytes) => (bytes, false),
            None => (std::mem::take(&mut self.last), true),
        })
    }
}
