//! The virtio-serial port.
//!
//! While no one has it open on the host, reads give end of file and poll(2) tells POLLHUP at once,
//! again and again. An edge-triggered epoll tells each change once, and waits in between.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::stat::Mode;
use nix::unistd::{read, write};

/// What went wrong with the port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Missing, in use, or not granted.
    #[error("open {}", path.display())]
    Open {
        /// The device.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// epoll(7).
    #[error("watch the port")]
    Watch(#[source] Errno),
    /// read(2).
    #[error("read the port")]
    Read(#[source] Errno),
    /// write(2).
    #[error("write the port")]
    Write(#[source] Errno),
}

/// The open port.
#[derive(Debug)]
pub(super) struct Port {
    fd: OwnedFd,
    /// Readable when something has changed.
    pub(super) changes: Epoll,
}

/// What a read found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Empty,
    /// No one has the port open on the host.
    Closed,
}

impl Port {
    pub(super) fn open(path: &Path) -> Result<Self, PortError> {
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(|source| PortError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::new(fd)
    }

    /// Over a descriptor that does not block.
    pub(super) fn new(fd: OwnedFd) -> Result<Self, PortError> {
        let changes = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(PortError::Watch)?;
        let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        changes
            .add(fd.as_fd(), EpollEvent::new(interest, 0))
            .map_err(PortError::Watch)?;
        Ok(Self { fd, changes })
    }

    /// Takes note of the changes; what they are is seen by reading and writing until it is empty.
    pub(super) fn acknowledge(&self) -> Result<(), PortError> {
        let mut events = [EpollEvent::empty(); 1];
        match self.changes.wait(&mut events, EpollTimeout::ZERO) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(PortError::Watch(errno)),
        }
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<Input, PortError> {
        loop {
            return match read(&self.fd, buffer) {
                Ok(0) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(Input::Closed),
                Ok(length) => Ok(Input::Bytes(length)),
                Err(Errno::EAGAIN) => Ok(Input::Empty),
                Err(Errno::EINTR) => continue,
                Err(errno) => Err(PortError::Read(errno)),
            };
        }
    }

    /// How much was written; 0 when there is no room now.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, PortError> {
        loop {
            return match write(&self.fd, bytes) {
                Ok(length) => Ok(length),
                Err(Errno::EAGAIN | Errno::EPIPE | Errno::ECONNRESET) => Ok(0),
                Err(Errno::EINTR) => continue,
                Err(errno) => Err(PortError::Write(errno)),
            };
        }
    }
}
