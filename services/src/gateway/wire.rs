//! One channel's connection to the control socket.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

/// The most bytes that wait for PID 1 to read them; a client's calls are far shorter.
const MAX_WAITING: usize = 256 * 1024;

/// A connection with what is to be written to it.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) stream: UnixStream,
    waiting: VecDeque<u8>,
}

impl Wire {
    /// Connects without waiting for room in the listener's backlog.
    pub(super) fn connect(path: &Path) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        let address = UnixAddr::new(path)?;
        connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &address)?;
        Ok(Self {
            stream: fd.into(),
            waiting: VecDeque::new(),
        })
    }

    /// Adds bytes and writes what goes. False when the connection is of no use any more.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        self.waiting.extend(bytes);
        self.flush() && self.waiting.len() <= MAX_WAITING
    }

    /// Writes what goes. False when the connection is of no use any more.
    pub(super) fn flush(&mut self) -> bool {
        while !self.waiting.is_empty() {
            match self.stream.write(self.waiting.make_contiguous()) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Whether bytes wait for room.
    pub(super) fn is_full(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What has come: `None` for the end, empty when there is nothing now.
    pub(super) fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return None,
                Ok(length) => return buffer.get(..length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Some(&[]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}
