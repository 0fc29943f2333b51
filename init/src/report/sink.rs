//! One place where things are said, and what waits for it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::write;

/// At most this much is kept for a sink that does not take it now: what the boot of a thousand
/// services says before the driver of the events port is there.
const QUEUE_BYTES: usize = 512 * 1024;

/// When what is said is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// The boot's stages, the shutdown, the emergency: nobody else runs.
    Now,
    /// The loop runs: what is to be done goes before what is to be said of it.
    Soon,
}

/// A file descriptor in non-blocking mode with a bounded queue before it.
#[derive(Debug, Default)]
pub(super) struct Sink {
    pub(super) fd: Option<OwnedFd>,
    queue: VecDeque<String>,
    queued: usize,
    /// Bytes that were dropped and not told of yet.
    dropped: usize,
    /// How that is told in this sink.
    tell_dropped: Option<fn(usize) -> String>,
}

impl Sink {
    /// One that says how many bytes were dropped.
    pub(super) fn telling(tell_dropped: fn(usize) -> String) -> Self {
        Self {
            tell_dropped: Some(tell_dropped),
            ..Self::default()
        }
    }

    pub(super) fn open(path: &Path) -> Option<OwnedFd> {
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).ok()
    }

    pub(super) fn push(&mut self, line: String, when: When) {
        self.queued += line.len();
        self.queue.push_back(line);
        if when == When::Now {
            self.flush();
        }
        while self.queued > QUEUE_BYTES {
            match self.queue.pop_front() {
                Some(dropped) => {
                    self.queued -= dropped.len();
                    self.dropped += dropped.len();
                }
                None => break,
            }
        }
    }

    /// Whether trying again soon can help: not without a sink, and not while nobody is at the other
    /// end of a virtio port, who would come with an event of its own.
    pub(super) fn is_held_up(&self) -> bool {
        let Some(fd) = self.fd.as_ref().filter(|_| !self.queue.is_empty()) else {
            return false;
        };
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)];
        let _left_out = poll(&mut fds, PollTimeout::ZERO);
        let [fd] = fds;
        let answer = fd.revents().unwrap_or(PollFlags::empty());
        !answer.intersects(PollFlags::POLLHUP | PollFlags::POLLERR)
    }

    pub(super) fn flush(&mut self) {
        let Some(fd) = &self.fd else { return };
        if let Some(tell) = self.tell_dropped.filter(|_| self.dropped > 0) {
            // Told only when it is taken, so that what is dropped meanwhile is counted in.
            let note = tell(self.dropped);
            let Ok(count) = write(fd, note.as_bytes()) else {
                return;
            };
            self.dropped = 0;
            let rest = note.get(count..).unwrap_or_default();
            if !rest.is_empty() {
                self.queued += rest.len();
                self.queue.push_front(rest.to_owned());
            }
        }
        while let Some(line) = self.queue.front_mut() {
            match write(fd, line.as_bytes()) {
                Ok(count) if count < line.len() => {
                    // A cut inside a character cannot happen at a sink that takes whole lines;
                    // a tty may cut anywhere, and the rest of the bytes follows later.
                    let rest = String::from_utf8_lossy(line.as_bytes().get(count..).unwrap_or(&[]))
                        .into_owned();
                    self.queued -= line.len() - rest.len();
                    *line = rest;
                }
                Ok(_) => {
                    self.queued -= line.len();
                    self.queue.pop_front();
                }
                Err(Errno::EAGAIN | Errno::EINTR) => return,
                // Never taken, such as EINVAL of a record that is too long for /dev/kmsg: it must
                // not hold up what follows.
                Err(_) => {
                    self.queued -= line.len();
                    self.queue.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_refused_holds_up_nothing() {
        let mut sink = Sink {
            fd: Sink::open(Path::new("/dev/full")),
            ..Sink::default()
        };
        sink.push("refused with ENOSPC\n".to_owned(), When::Now);
        assert_eq!((sink.queue.len(), sink.queued), (0, 0));
    }

    #[test]
    fn edge_32_what_a_stopped_console_missed_is_counted() {
        let (reading, writing) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let mut sink = Sink {
            fd: Some(writing),
            tell_dropped: Some(|bytes| format!("({bytes} dropped)\n")),
            ..Sink::default()
        };
        let line = "0123456789\n";
        let lines = 100_000;
        for _ in 0..lines {
            sink.push(line.to_owned(), When::Now);
        }
        let mut seen = vec![];
        let mut buffer = [0; 4096];
        while let Ok(count) = nix::unistd::read(&reading, &mut buffer) {
            seen.extend_from_slice(&buffer[..count]);
            sink.flush();
        }
        let seen = String::from_utf8(seen).unwrap();
        let note = seen
            .lines()
            .find(|line| line.ends_with("dropped)"))
            .unwrap();
        let dropped: usize = note[1..].split(' ').next().unwrap().parse().unwrap();
        let arrived = seen.len() - note.len() - 1;
        assert_eq!(arrived + dropped, lines * line.len());
        assert!(dropped > 0);
    }

    #[test]
    fn who_is_full_is_tried_again_and_who_has_left_is_not() {
        let (reading, writing) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let mut sink = Sink {
            fd: Some(writing),
            ..Sink::default()
        };
        sink.push("taken\n".to_owned(), When::Now);
        assert!(!sink.is_held_up());
        while !sink.is_held_up() {
            sink.push("0123456789\n".to_owned(), When::Now);
        }
        drop(reading);
        assert!(!sink.is_held_up());
    }

    #[test]
    fn a_sink_that_takes_nothing_keeps_a_bounded_queue() {
        let mut sink = Sink::default();
        for _ in 0..100_000 {
            sink.push("0123456789\n".to_owned(), When::Now);
        }
        assert!(sink.queued <= QUEUE_BYTES);
        assert_eq!(
            sink.queued,
            sink.queue.iter().map(String::len).sum::<usize>()
        );
    }
}
