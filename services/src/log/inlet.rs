//! A service's pipe.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::read;
use orlop_control::LogStream;

use super::splitter::Splitter;

/// How much is read from a pipe before the others have their turn.
const TURN: usize = 64 * 1024;

/// The read end of a pipe.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) service: String,
    pub(super) stream: LogStream,
    pub(super) pipe: OwnedFd,
    splitter: Splitter,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    /// There may be more.
    More,
    /// Empty for now.
    Empty,
    /// No one writes any more, or the pipe is broken.
    Ended,
}

impl Inlet {
    /// Takes a pipe over.
    pub(super) fn new(service: String, stream: LogStream, pipe: OwnedFd) -> io::Result<Self> {
        fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self {
            service,
            stream,
            pipe,
            splitter: Splitter::default(),
        })
    }

    /// Reads once, at most [`TURN`] bytes, and gives the complete lines.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>, line: impl FnMut(&[u8])) -> Filling {
        buffer.resize(TURN, 0);
        match read(&self.pipe, buffer) {
            Ok(0) => Filling::Ended,
            Ok(length) => {
                self.splitter
                    .push(buffer.get(..length).unwrap_or_default(), line);
                Filling::More
            }
            Err(Errno::EAGAIN) => Filling::Empty,
            Err(Errno::EINTR) => Filling::More,
            Err(_) => Filling::Ended,
        }
    }

    /// Gives the last line when it lacks its newline.
    pub(super) fn finish(&mut self, line: impl FnOnce(&[u8])) {
        self.splitter.finish(line);
    }
}
