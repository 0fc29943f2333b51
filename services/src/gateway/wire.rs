//! One channel's connection to the control socket, and what it has become: descriptors come with the
//! first reply to an exec, and from then on the channel carries its streams.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use orlop_control::gateway::MAX_PAYLOAD;

use super::calls::Calls;
use super::exec::Exec;
use crate::exec::{Output, Receiving};

/// The most bytes that wait for PID 1 to read them; a client's calls are far shorter.
const MAX_WAITING: usize = 256 * 1024;

/// A connection with what is to be written to it.
#[derive(Debug)]
pub(super) struct Wire {
    connection: Receiving,
    waiting: VecDeque<u8>,
    calls: Calls,
    exec: Option<Exec>,
}

/// What poll(2) can tell of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The connection.
    Connection,
    /// What the process of an exec writes.
    Output(Output),
    /// What it reads.
    Input,
}

impl Wire {
    /// Connects without waiting for room in the listener's backlog.
    pub(super) fn connect(path: &Path) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        let address = UnixAddr::new(path)?;
        connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &address)?;
        Ok(Self {
            connection: Receiving::new(fd.into()),
            waiting: VecDeque::new(),
            calls: Calls::new(),
            exec: None,
        })
    }

    /// What is waited for; nothing is read without `room` for it. A part of which nothing is wanted is
    /// left out: its end would be told without pause.
    pub(super) fn wanted(
        &self,
        room: bool,
    ) -> impl Iterator<Item = (Part, BorrowedFd<'_>, PollFlags)> {
        let mut flags = PollFlags::empty();
        let over = self.exec.as_ref().is_some_and(Exec::is_over);
        flags.set(PollFlags::POLLIN, room && !over);
        flags.set(PollFlags::POLLOUT, !self.waiting.is_empty());
        let own = (Part::Connection, self.connection.stream.as_fd(), flags);
        let exec = self.exec.iter().flat_map(move |exec| exec.wanted(room));
        std::iter::once(own)
            .chain(exec)
            .filter(|(_, _, flags)| !flags.is_empty())
    }

    /// Adds bytes and writes what goes; gives what is to be sent back, `None` when the channel is to be
    /// closed.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if let Some(exec) = &mut self.exec {
            return exec.take(bytes);
        }
        self.calls.sent(bytes);
        self.connection.takes_fds = self.calls.expect_streams();
        self.waiting.extend(bytes);
        (self.flush() && self.waiting.len() <= MAX_WAITING).then(Vec::new)
    }

    /// Does what the part is ready for, and gives what is to be sent to the workstation: `None` when
    /// the channel is to be closed.
    pub(super) fn advance(&mut self, part: Part, flags: PollFlags) -> Option<Vec<u8>> {
        match (part, &mut self.exec) {
            (Part::Output(which), Some(exec)) => Some(exec.output(which)),
            (Part::Input, Some(exec)) => Some(exec.input()),
            _ if flags == PollFlags::POLLOUT => self.flush().then(Vec::new),
            _ => self.flush().then(|| self.receive())?,
        }
    }

    /// What else is to be sent when the process of an exec has ended, and whether that is all.
    pub(super) fn settle(&mut self, room: bool) -> Option<(Vec<u8>, bool)> {
        self.exec
            .as_mut()
            .filter(|exec| exec.is_over())?
            .settle(room)
    }

    /// Writes what goes. False when the connection is of no use any more.
    pub(super) fn flush(&mut self) -> bool {
        while !self.waiting.is_empty() {
            match self.connection.write(self.waiting.make_contiguous()) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// What has come: `None` for the end, empty when there is nothing now.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; MAX_PAYLOAD];
        let length = loop {
            match self.connection.read(&mut buffer) {
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Some(Vec::new()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break 0,
            }
        };
        buffer.truncate(length);
        if let Some(exec) = &mut self.exec {
            return exec.told(&buffer).then(Vec::new);
        }
        let fds = std::mem::take(&mut self.connection.fds);
        if !fds.is_empty() {
            self.connection.takes_fds = false;
            self.exec = Some(Exec::new(fds).ok()?);
        }
        (length > 0).then_some(buffer)
    }
}
