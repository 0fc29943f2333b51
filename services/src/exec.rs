//! The other ends of a process's streams, as PID 1 hands them out for an exec.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{read, write};
use orlop_sys::scm;

/// How much is read or written before others have their turn.
pub(crate) const TURN: usize = 16 * 1024;

/// What the process writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

impl Output {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

/// The pipes of one process, none of which blocks.
#[derive(Debug)]
pub(crate) struct Streams {
    stdout: Option<Source>,
    stderr: Option<Source>,
    stdin: Option<OwnedFd>,
    /// What is to be written to it.
    waiting: VecDeque<u8>,
    /// Nothing more will come to be written.
    complete: bool,
}

/// The read end of what the process writes to.
#[derive(Debug)]
struct Source {
    pipe: OwnedFd,
    /// How much more is read of it; without an end until the process has ended.
    left: usize,
}

impl Source {
    fn new(pipe: OwnedFd) -> Self {
        let left = usize::MAX;
        Self { pipe, left }
    }

    /// Reads what is there; nothing is the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let room = buffer.len().min(self.left);
        let length = read(&self.pipe, buffer.get_mut(..room).unwrap_or_default())?;
        self.left -= length;
        Ok(length)
    }
}

impl Streams {
    /// Of the descriptors that came with the first reply: stdout, stderr, and stdin if it was asked
    /// for.
    ///
    /// # Errors
    /// EBADF when they are too few, and what fcntl(2) says.
    pub(crate) fn new(fds: Vec<OwnedFd>) -> Result<Self, Errno> {
        for fd in &fds {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let mut fds = fds.into_iter();
        let (stdout, stderr) = fds.next().zip(fds.next()).ok_or(Errno::EBADF)?;
        Ok(Self {
            stdout: Some(Source::new(stdout)),
            stderr: Some(Source::new(stderr)),
            stdin: fds.next(),
            waiting: VecDeque::new(),
            complete: false,
        })
    }

    /// Where output may be read, until its end.
    pub(crate) fn output(&self, which: Output) -> Option<BorrowedFd<'_>> {
        let fd = match which {
            Output::Stdout => &self.stdout,
            Output::Stderr => &self.stderr,
        };
        fd.as_ref().map(|source| source.pipe.as_fd())
    }

    /// The process has ended. What it wrote is in the pipes; what they can hold is all that is read
    /// from now on, so that another process which writes to them keeps nobody.
    pub(crate) fn end(&mut self) {
        for source in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
            let holds = fcntl(&source.pipe, FcntlArg::F_GETPIPE_SZ);
            // PID 1 gives pipes; of anything else there is no end to be known.
            source.left = usize::try_from(holds.unwrap_or_default()).unwrap_or_default();
        }
    }

    /// What the process has written: nothing when there is nothing now, or never will be.
    pub(crate) fn read<'b>(&mut self, which: Output, buffer: &'b mut [u8]) -> &'b [u8] {
        let fd = match which {
            Output::Stdout => &mut self.stdout,
            Output::Stderr => &mut self.stderr,
        };
        while let Some(open) = fd {
            match open.read(buffer) {
                Ok(0) => *fd = None,
                Ok(length) => return buffer.get(..length).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                // A pipe gives no other.
                Err(_) => *fd = None,
            }
        }
        &[]
    }

    /// Where input waits to be written.
    pub(crate) fn full(&self) -> Option<BorrowedFd<'_>> {
        let stdin = self.stdin.as_ref().filter(|_| !self.waiting.is_empty());
        stdin.map(AsFd::as_fd)
    }

    /// Whether the process may still read what is pushed.
    pub(crate) fn takes_input(&self) -> bool {
        self.stdin.is_some() && !self.complete
    }

    /// How many bytes wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Adds input; nothing is its end.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.complete |= bytes.is_empty();
        self.waiting.extend(bytes);
        if self.complete && self.waiting.is_empty() {
            self.stdin = None;
        }
    }

    /// Writes what goes, and gives how much of the input is on its way: all of it, when nobody reads
    /// it any more.
    pub(crate) fn flush(&mut self) -> usize {
        let before = self.waiting.len();
        while let Some(stdin) = self.stdin.as_ref().filter(|_| !self.waiting.is_empty()) {
            let (bytes, _) = self.waiting.as_slices();
            match write(stdin, bytes) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                // EPIPE: it closed its end.
                Err(_) => self.stdin = None,
            }
        }
        if self.stdin.is_none() {
            self.waiting.clear();
        }
        if self.complete && self.waiting.is_empty() {
            self.stdin = None;
        }
        before - self.waiting.len()
    }
}

/// A connection that keeps the descriptors which come along with what is read, once: others are closed
/// as they come.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) stream: UnixStream,
    /// Whether descriptors are awaited.
    pub(crate) takes_fds: bool,
    /// Those that came.
    pub(crate) fds: Vec<OwnedFd>,
}

impl Receiving {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            takes_fds: false,
            fds: Vec::new(),
        }
    }
}

impl Read for Receiving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = scm::recv_with_fds(self.stream.as_fd(), buffer)?;
        if self.takes_fds && self.fds.is_empty() {
            self.fds = received.fds;
        }
        Ok(received.bytes)
    }
}

impl io::Write for Receiving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::pipe;

    fn streams() -> (Streams, [OwnedFd; 3]) {
        let (stdout, its_stdout) = pipe().unwrap();
        let (stderr, its_stderr) = pipe().unwrap();
        let (its_stdin, stdin) = pipe().unwrap();
        let streams = Streams::new(vec![stdout, stderr, stdin]).unwrap();
        (streams, [its_stdin, its_stdout, its_stderr])
    }

    #[test]
    fn output_comes_by_its_stream_until_its_end() {
        let (mut streams, [_, stdout, stderr]) = streams();
        let mut buffer = [0; 8];
        assert_eq!(streams.read(Output::Stdout, &mut buffer), b"");
        assert!(streams.output(Output::Stdout).is_some());
        write(&stderr, b"no").unwrap();
        write(&stdout, b"yes").unwrap();
        drop(stdout);
        assert_eq!(streams.read(Output::Stdout, &mut buffer), b"yes");
        assert_eq!(streams.read(Output::Stdout, &mut buffer), b"");
        assert!(streams.output(Output::Stdout).is_none());
        assert_eq!(streams.read(Output::Stderr, &mut buffer), b"no");
    }

    #[test]
    fn input_waits_for_its_reader_and_is_dropped_without_one() {
        let (mut streams, [stdin, ..]) = streams();
        let much = vec![7; 1 << 20];
        streams.push(&much);
        let written = streams.flush();
        assert!(written > 0 && written < much.len(), "{written}");
        assert_eq!(streams.waiting(), much.len() - written);
        assert!(streams.full().is_some() && streams.takes_input());
        drop(stdin);
        assert_eq!(streams.flush(), much.len() - written);
        assert!(streams.full().is_none() && !streams.takes_input());
    }

    #[test]
    fn the_end_of_the_input_comes_behind_it() {
        let (mut streams, [stdin, ..]) = streams();
        streams.push(b"last");
        streams.push(b"");
        assert!(!streams.takes_input());
        assert_eq!(streams.flush(), 4);
        let mut buffer = [0; 8];
        assert_eq!(read(&stdin, &mut buffer), Ok(4));
        assert_eq!(read(&stdin, &mut buffer), Ok(0));
    }

    #[test]
    fn after_the_end_no_more_is_read_than_was_there() {
        let (mut streams, [_, stdout, stderr]) = streams();
        write(&stdout, &vec![1; 60_000]).unwrap();
        streams.end();
        let mut buffer = [0; TURN];
        let mut length = 0;
        // Somebody else holds the other end, and fills it up whenever there is room.
        while streams.output(Output::Stdout).is_some() {
            let read = streams.read(Output::Stdout, &mut buffer);
            let ours = read.iter().filter(|byte| **byte == 1).count();
            length += ours;
            // Nobody reads it any more in the end.
            let _written = write(&stdout, &[2; 4096]);
            assert!(!read.is_empty() || streams.output(Output::Stdout).is_none());
        }
        assert_eq!(length, 60_000);
        assert_eq!(streams.read(Output::Stderr, &mut buffer), b"");
        write(&stderr, b"late").unwrap();
        assert_eq!(streams.read(Output::Stderr, &mut buffer), b"late");
    }

    #[test]
    fn descriptors_are_taken_once_and_only_when_they_are_awaited() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut connection = Receiving::new(ours);
        let mut send = |fds: usize| {
            let fds = vec![theirs.as_fd(); fds];
            scm::send_with_fds(theirs.as_fd(), b"x", &fds).unwrap();
            assert_eq!(connection.read(&mut [0; 8]).unwrap(), 1);
            let held = connection.fds.len();
            connection.takes_fds = true;
            held
        };
        assert_eq!([send(2), send(3), send(4), send(0)], [0, 3, 3, 3]);
    }

    #[test]
    fn too_few_descriptors_are_an_error() {
        assert!(Streams::new(Vec::new()).is_err());
    }
}
