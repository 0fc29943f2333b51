//! The loop: what is ready is read, then readers get what is new.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use orlop_control::{ControlError, LogMessage, LogStream, LogsCall};
use orlop_sys::{listen_fds, scm};

use super::LOG_FOLDER;
use super::archive::Archive;
use super::inlet::{Filling, Inlet};
use super::tap::{Flow, Tap};
use crate::stop;

/// The most readers at a time.
const MAX_TAPS: usize = 64;
/// The longest message of PID 1.
const MAX_MESSAGE: usize = 64 * 1024;
/// How often a pipe is read at once to empty it: a full one of 1 MiB is empty after that.
const DRAIN_TURNS: usize = 16;
const SOCKET: u64 = 0;
const STOP: u64 = 1;
const FIRST_TOKEN: u64 = 2;

/// Why `log` ends.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// PID 1 passed no socket.
    #[error("no socket named log was passed; the manifest needs control = [\"log.streams\"]")]
    NoSocket,
    /// PID 1 closed its end.
    #[error("the socket of PID 1 has ended")]
    SocketEnded,
    /// Reading it failed.
    #[error("receive from PID 1")]
    Receive(#[source] Errno),
    /// The signals that stop it.
    #[error("watch for signals")]
    Signals(#[source] io::Error),
    /// epoll(7).
    #[error("wait for events")]
    Wait(#[source] Errno),
}

/// Runs until SIGTERM.
///
/// # Errors
/// [`LogError`]; restarted by the supervisor, it gets all pipes anew.
pub fn run() -> Result<(), LogError> {
    let mut passed = listen_fds::take().into_iter();
    let socket = passed.find(|(name, _)| name == "log");
    let (_, socket) = socket.ok_or(LogError::NoSocket)?;
    let stop = stop::requested().map_err(LogError::Signals)?;
    let folder = Path::new(LOG_FOLDER);
    let folder = folder.is_dir().then(|| folder.to_owned());
    raise_open_files();
    stay_in_memory();
    serve(socket, &stop, folder)
}

/// Two pipes a service: the soft limit of 1024 would end at 500 services. A limit that cannot be
/// raised is met later, by streams that are refused one by one.
fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _kept = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// The disk that the program came from may go, and lines are wanted then more than ever (adr/0014).
/// Where the limit does not allow it, the program's pages stay as long as there is room for them.
fn stay_in_memory() {
    let _as_far_as_it_goes = mlockall(MlockAllFlags::MCL_CURRENT);
}

/// Serves until `stop` is readable.
pub(super) fn serve(
    socket: OwnedFd,
    stop: &UnixStream,
    folder: Option<PathBuf>,
) -> Result<(), LogError> {
    let mut desk = Desk::new(socket, folder)?;
    desk.watch(&desk.socket, SOCKET)?;
    desk.watch(stop, STOP)?;
    let mut events = [EpollEvent::empty(); 64];
    loop {
        let count = match desk.epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            waited => waited.map_err(LogError::Wait)?,
        };
        let mut stopping = false;
        for event in events.iter().take(count) {
            match event.data() {
                SOCKET => desk.receive()?,
                STOP => stopping = true,
                token if desk.inlets.contains_key(&token) => desk.fill(token, 1),
                token => desk.advance(token, event.events()),
            }
        }
        if stopping {
            desk.drain(None);
        }
        desk.advance_followers();
        desk.archive.flush();
        if stopping {
            return Ok(());
        }
    }
}

struct Desk {
    socket: OwnedFd,
    epoll: Epoll,
    archive: Archive,
    inlets: BTreeMap<u64, Inlet>,
    taps: BTreeMap<u64, Tap>,
    next_token: u64,
    buffer: Vec<u8>,
}

impl Desk {
    fn new(socket: OwnedFd, folder: Option<PathBuf>) -> Result<Self, LogError> {
        fcntl(socket.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(LogError::Receive)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(LogError::Wait)?;
        Ok(Self {
            socket,
            epoll,
            archive: Archive::new(folder),
            inlets: BTreeMap::new(),
            taps: BTreeMap::new(),
            next_token: FIRST_TOKEN,
            buffer: Vec::new(),
        })
    }

    fn watch(&self, fd: impl AsFd, token: u64) -> Result<(), LogError> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
        self.epoll.add(fd, event).map_err(LogError::Wait)
    }

    /// Takes every message that PID 1 has sent.
    fn receive(&mut self) -> Result<(), LogError> {
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            let received = match scm::recv_with_fds(self.socket.as_fd(), &mut buffer) {
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => continue,
                received => received.map_err(LogError::Receive)?,
            };
            if received.bytes == 0 {
                return Err(LogError::SocketEnded);
            }
            let bytes = buffer.get(..received.bytes).unwrap_or_default();
            match LogMessage::decode(bytes) {
                Ok(message) if !received.truncated => self.take(message, received.fds),
                Ok(_) => crate::report::line("log", "a message of PID 1 was cut off"),
                Err(error) => crate::report::error("log", &error),
            }
        }
    }

    fn take(&mut self, message: LogMessage, fds: Vec<OwnedFd>) {
        match (message, fds.into_iter().next()) {
            (LogMessage::Stream { service, stream }, Some(pipe)) => {
                self.open_inlet(service, stream, pipe);
            }
            (LogMessage::Note { service, text }, _) => self.note(&service, &text),
            (LogMessage::Dropped { service, bytes }, _) => {
                let text = format!("{bytes} bytes were lost while the log service was away");
                self.note(&service, &text);
            }
            (LogMessage::Read { request }, Some(connection)) => {
                self.open_tap(request, connection.into());
            }
            (LogMessage::Stream { .. } | LogMessage::Read { .. }, None) => {
                crate::report::line("log", "a message of PID 1 came without its descriptor");
            }
        }
    }

    fn open_inlet(&mut self, service: String, stream: LogStream, pipe: OwnedFd) {
        self.archive.introduce(&service);
        let same = |inlet: &Inlet| inlet.service == service && inlet.stream == stream;
        let former = self.inlets.iter().find(|(_, inlet)| same(inlet));
        if let Some(token) = former.map(|(token, _)| *token) {
            self.fill(token, DRAIN_TURNS);
            self.close_inlet(token);
        }
        let token = self.token();
        let opened = Inlet::new(service, stream, pipe).and_then(|inlet| {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
            self.epoll.add(&inlet.pipe, event)?;
            Ok(inlet)
        });
        match opened {
            Ok(inlet) => drop(self.inlets.insert(token, inlet)),
            Err(error) => crate::report::error("log", &error),
        }
    }

    /// What the service wrote before came before: a partial line, too, ends here.
    fn note(&mut self, service: &str, text: &str) {
        self.drain(Some(service));
        for inlet in self.inlets.values_mut().filter(|i| i.service == service) {
            let (archive, stream) = (&mut self.archive, inlet.stream);
            inlet.finish(|line| archive.keep(service, stream, line));
        }
        self.archive.keep(service, LogStream::Note, text.as_bytes());
    }

    /// Empties the pipes of one service, or of all, as far as a writer without pause allows.
    fn drain(&mut self, service: Option<&str>) {
        let inlets = self.inlets.iter();
        let asked = inlets.filter(|(_, inlet)| service.is_none_or(|s| s == inlet.service));
        let tokens: Vec<u64> = asked.map(|(token, _)| *token).collect();
        for token in tokens {
            self.fill(token, DRAIN_TURNS);
        }
    }

    fn fill(&mut self, token: u64, turns: usize) {
        for _ in 0..turns {
            let Some(inlet) = self.inlets.get_mut(&token) else {
                return;
            };
            let (archive, service, stream) =
                (&mut self.archive, inlet.service.clone(), inlet.stream);
            match inlet.fill(&mut self.buffer, |line| {
                archive.keep(&service, stream, line);
            }) {
                Filling::More => {}
                Filling::Empty => return,
                Filling::Ended => return self.close_inlet(token),
            }
        }
    }

    fn close_inlet(&mut self, token: u64) {
        if let Some(mut inlet) = self.inlets.remove(&token) {
            // PID 1 holds the same open file, so closing it here would leave it in the epoll set.
            let _gone = self.epoll.delete(&inlet.pipe);
            let (service, stream) = (inlet.service.clone(), inlet.stream);
            inlet.finish(|line| self.archive.keep(&service, stream, line));
        }
    }

    fn open_tap(&mut self, call: LogsCall, mut connection: UnixStream) {
        let name = call.parameters.name.clone();
        if self.taps.len() >= MAX_TAPS && !self.make_room() {
            let (name, reason) = ("log".to_owned(), "too many readers".to_owned());
            refuse(&mut connection, &ControlError::Failed { name, reason });
            return;
        }
        // PID 1 knows all names and refuses others: a service that has said nothing yet is none of them.
        if let Some(name) = &name {
            self.archive.introduce(name);
        }
        self.drain(name.as_deref());
        let token = self.token();
        let opened = Tap::new(connection, call, &self.archive.shelf).and_then(|tap| {
            let event = EpollEvent::new(EpollFlags::empty(), token);
            self.epoll.add(&tap.stream, event)?;
            Ok(tap)
        });
        match opened {
            Ok(tap) => {
                self.taps.insert(token, tap);
                self.advance(token, EpollFlags::empty());
            }
            Err(error) => crate::report::error("log", &error),
        }
    }

    /// Lets the reader go that has taken nothing for the longest time, if there is one.
    fn make_room(&mut self) -> bool {
        let stuck = self.taps.iter().filter(|(_, tap)| tap.is_stuck());
        let longest = stuck.min_by_key(|(_, tap)| tap.moved);
        let Some(token) = longest.map(|(token, _)| *token) else {
            return false;
        };
        self.close_tap(token);
        true
    }

    fn advance_followers(&mut self) {
        let waiting = self.taps.iter().filter(|(_, tap)| !tap.is_stuck());
        let tokens: Vec<u64> = waiting.map(|(token, _)| *token).collect();
        for token in tokens {
            self.advance(token, EpollFlags::empty());
        }
    }

    fn advance(&mut self, token: u64, events: EpollFlags) {
        let Some(tap) = self.taps.get_mut(&token) else {
            return;
        };
        let gone = events.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        let wanted = match tap.advance(&self.archive.shelf) {
            Flow::Done => return self.close_tap(token),
            _ if gone => return self.close_tap(token),
            // Its end is told in any case.
            Flow::Waiting => EpollFlags::empty(),
            Flow::Full => EpollFlags::EPOLLOUT,
        };
        let mut event = EpollEvent::new(wanted, token);
        if let Err(errno) = self.epoll.modify(&tap.stream, &mut event) {
            crate::report::error("log", &errno);
            self.close_tap(token);
        }
    }

    fn close_tap(&mut self, token: u64) {
        if let Some(tap) = self.taps.remove(&token) {
            let _gone = self.epoll.delete(&tap.stream);
        }
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token - 1
    }
}

/// Best effort: who does not read its refusal is closed all the same.
fn refuse(connection: &mut UnixStream, error: &ControlError) {
    if connection.set_nonblocking(true).is_ok() {
        drop(connection.write_all(&error.encode()));
    }
}
