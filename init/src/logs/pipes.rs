//! The pipes of one service.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid, fchown, pipe2};

/// Which of a service's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// Both pipes of a service, both ends.
#[derive(Debug)]
pub struct Pipes {
    /// stdout, then stderr.
    ends: [(Rc<OwnedFd>, OwnedFd); 2],
}

impl Pipes {
    /// Makes them, owned by the user that the service runs as: a mapped user may reopen
    /// `/dev/stdout` only then (kernel-facts).
    ///
    /// # Errors
    /// EMFILE and what fchown(2) says.
    pub fn new(uid: u32, gid: u32) -> Result<Self, Errno> {
        Ok(Self {
            ends: [kept(uid, gid)?, kept(uid, gid)?],
        })
    }

    /// The reading ends, for the `log` service.
    #[must_use]
    pub fn reading(&self) -> [(Stream, Rc<OwnedFd>); 2] {
        let [(stdout, _), (stderr, _)] = &self.ends;
        [
            (Stream::Stdout, stdout.clone()),
            (Stream::Stderr, stderr.clone()),
        ]
    }

    /// The writing ends, for the service: stdout, stderr.
    #[must_use]
    pub fn writing(&self) -> [BorrowedFd<'_>; 2] {
        let [(_, stdout), (_, stderr)] = &self.ends;
        [stdout.as_fd(), stderr.as_fd()]
    }
}

fn kept(uid: u32, gid: u32) -> Result<(Rc<OwnedFd>, OwnedFd), Errno> {
    pipe_of(uid, gid).map(|(reading, writing)| (Rc::new(reading), writing))
}

/// A pipe that this user may reopen, as the machine counts its ids: the reading end, the writing one.
///
/// # Errors
/// EMFILE and what fchown(2) says.
pub(crate) fn pipe_of(uid: u32, gid: u32) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (reading, writing) = pipe2(OFlag::O_CLOEXEC)?;
    fchown(&writing, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    Ok((reading, writing))
}
