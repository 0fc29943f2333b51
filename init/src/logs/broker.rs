//! The task that stands between the pipes and the `log` service.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use orlop_config::ServiceName;
use orlop_control::{LogMessage as Told, LogStream, LogsCall};
use orlop_sys::scm::send_with_fds;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::watched::watch;

use super::Stream;

/// A pipe's default capacity (pipe(7)); three quarters of it are left to a service that writes
/// while nobody reads.
const FULL: usize = 64 * 1024 * 3 / 4;
/// Messages kept while the log service is slow; the oldest notes go first.
const QUEUE: usize = 4096;

/// What the rest of PID 1 tells the broker.
#[derive(Debug)]
pub enum LogMessage {
    /// A service has a pipe from now on.
    Stream {
        /// Whose.
        service: ServiceName,
        /// Which.
        stream: Stream,
        /// Its reading end.
        reading: Rc<OwnedFd>,
    },
    /// Something happened to a service that its log should show.
    Note {
        /// Whose.
        service: ServiceName,
        /// One line.
        text: String,
    },
    /// A client wants to read; its connection goes with the request.
    Read {
        /// The varlink call.
        request: LogsCall,
        /// The client's connection.
        client: OwnedFd,
    },
    /// The log service runs, and this is our end of its channel.
    Up(OwnedFd),
    /// The log service has ended.
    Down,
}

/// The handle: sends messages to the task.
#[derive(Debug, Clone)]
pub struct LogBroker(mpsc::UnboundedSender<LogMessage>);

impl LogBroker {
    /// Tells the broker. It lives as long as PID 1 does.
    pub fn tell(&self, message: LogMessage) {
        let _task_never_ends = self.0.send(message);
    }
}

/// Starts the task.
#[must_use]
pub fn start() -> LogBroker {
    let (sender, receiver) = mpsc::unbounded_channel();
    crate::task::spawn(run(receiver));
    LogBroker(sender)
}

struct Outgoing {
    text: Vec<u8>,
    fd: Option<Passed>,
    /// A lost note is a pity, a lost stream is a lost log.
    expendable: bool,
}

/// A descriptor on its way: a client's goes for good, a pipe's stays here too.
enum Passed {
    Kept(Rc<OwnedFd>),
    Given(OwnedFd),
}

impl Passed {
    fn borrow(&self) -> BorrowedFd<'_> {
        match self {
            Self::Kept(fd) => fd.as_fd(),
            Self::Given(fd) => fd.as_fd(),
        }
    }
}

#[derive(Default)]
struct Broker {
    streams: BTreeMap<(ServiceName, Stream), Rc<OwnedFd>>,
    drains: Vec<JoinHandle<()>>,
    channel: Option<AsyncFd<OwnedFd>>,
    queue: VecDeque<Outgoing>,
}

async fn run(mut receiver: mpsc::UnboundedReceiver<LogMessage>) {
    let mut broker = Broker::default();
    let (dropped_sender, mut dropped) = mpsc::unbounded_channel::<(ServiceName, u64)>();
    broker.watch_all(&dropped_sender);
    let mut lost: BTreeMap<ServiceName, u64> = BTreeMap::new();
    loop {
        let message = tokio::select! {
            message = receiver.recv() => match message {
                Some(message) => message,
                None => return,
            },
            Some((service, bytes)) = dropped.recv() => {
                *lost.entry(service).or_default() += bytes;
                continue;
            }
            () = broker.flush(), if broker.channel.is_some() && !broker.queue.is_empty() => continue,
        };
        match message {
            LogMessage::Stream {
                service,
                stream,
                reading,
            } => broker.add(service, stream, reading, &dropped_sender),
            LogMessage::Note { service, text } => {
                let service = service.to_string();
                broker.push(&Told::Note { service, text }, None, true);
            }
            LogMessage::Read { request, client } => broker.read(request, client),
            LogMessage::Up(channel) => {
                broker.up(channel, &mut lost);
            }
            LogMessage::Down => broker.down(&dropped_sender),
        }
    }
}

impl Broker {
    fn add(
        &mut self,
        service: ServiceName,
        stream: Stream,
        reading: Rc<OwnedFd>,
        dropped: &mpsc::UnboundedSender<(ServiceName, u64)>,
    ) {
        if self.channel.is_some() {
            self.push_stream(&service, stream, &reading);
        } else {
            self.drains
                .push(drain(service.clone(), reading.clone(), dropped.clone()));
        }
        self.streams.insert((service, stream), reading);
    }

    fn push_stream(&mut self, service: &ServiceName, stream: Stream, reading: &Rc<OwnedFd>) {
        let message = Told::Stream {
            service: service.to_string(),
            stream: match stream {
                Stream::Stdout => LogStream::Stdout,
                Stream::Stderr => LogStream::Stderr,
            },
        };
        self.push(&message, Some(Passed::Kept(reading.clone())), false);
    }

    fn push(&mut self, message: &Told, fd: Option<Passed>, expendable: bool) {
        if self.queue.len() >= QUEUE
            && let Some(oldest) = self.queue.iter().position(|waiting| waiting.expendable)
        {
            self.queue.remove(oldest);
        }
        self.queue.push_back(Outgoing {
            text: message.encode(),
            fd,
            expendable,
        });
    }

    fn read(&mut self, request: LogsCall, client: OwnedFd) {
        if self.channel.is_none() {
            // Said by the requests' side too; a connection that ends is an answer of its own.
            drop(client);
            return;
        }
        self.push(&Told::Read { request }, Some(Passed::Given(client)), false);
    }

    fn up(&mut self, channel: OwnedFd, lost: &mut BTreeMap<ServiceName, u64>) {
        self.abort_drains();
        self.channel = watch(channel, Interest::WRITABLE).ok();
        let notes = std::mem::take(&mut self.queue);
        let streams: Vec<_> = self
            .streams
            .iter()
            .map(|((service, stream), reading)| (service.clone(), *stream, reading.clone()))
            .collect();
        for (service, stream, reading) in streams {
            self.push_stream(&service, stream, &reading);
        }
        for (service, bytes) in std::mem::take(lost) {
            let dropped = Told::Dropped {
                service: service.to_string(),
                bytes,
            };
            self.push(&dropped, None, true);
        }
        self.queue.extend(notes);
    }

    fn down(&mut self, dropped: &mpsc::UnboundedSender<(ServiceName, u64)>) {
        self.channel = None;
        // Streams are told again to the next one; clients see their connection end.
        self.queue.retain(|waiting| waiting.expendable);
        self.watch_all(dropped);
    }

    fn abort_drains(&mut self) {
        for drain in self.drains.drain(..) {
            drain.abort();
        }
    }

    fn watch_all(&mut self, dropped: &mpsc::UnboundedSender<(ServiceName, u64)>) {
        // Dropping a JoinHandle leaves its task running. `Down` comes for each state on the way to
        // the next start: a drain that stayed would hold its descriptors and empty the pipe for ever.
        self.abort_drains();
        self.drains = self
            .streams
            .iter()
            .map(|((service, _), reading)| drain(service.clone(), reading.clone(), dropped.clone()))
            .collect();
    }

    /// Sends what waits until the channel takes no more. Cancel-safe: a message leaves the queue
    /// only after it was sent.
    async fn flush(&mut self) {
        let Some(channel) = &self.channel else { return };
        while let Some(next) = self.queue.front() {
            let Ok(mut ready) = channel.writable().await else {
                return;
            };
            let sent = ready.try_io(|channel| {
                let fds: Vec<BorrowedFd<'_>> = next.fd.iter().map(Passed::borrow).collect();
                send_with_fds(channel.get_ref().as_fd(), &next.text, &fds).map_err(io::Error::from)
            });
            match sent {
                // A peer that is gone is told by `Down`; until then the message is lost with it.
                Ok(_) => {
                    self.queue.pop_front();
                }
                Err(_would_block) => {}
            }
        }
    }
}

/// Watches one pipe while nobody reads it.
fn drain(
    service: ServiceName,
    reading: Rc<OwnedFd>,
    dropped: mpsc::UnboundedSender<(ServiceName, u64)>,
) -> JoinHandle<()> {
    crate::task::spawn(async move {
        // A descriptor of its own: the last drain of this pipe may not be deregistered yet.
        let Ok(own) = reading.try_clone() else { return };
        let Ok(null) = File::options().write(true).open("/dev/null") else {
            return;
        };
        let Ok(pipe) = watch(own, Interest::READABLE) else {
            return;
        };
        while let Ok(mut ready) = pipe.readable().await {
            // Edge-triggered: each write into the pipe comes here, and costs one ioctl.
            ready.clear_ready();
            let fd = pipe.get_ref().as_fd();
            while orlop_sys::pipe::unread(fd).is_ok_and(|bytes| bytes >= FULL) {
                match orlop_sys::pipe::splice_to_null(fd, null.as_fd(), FULL) {
                    Ok(bytes) if bytes > 0 => {
                        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                        let _broker_never_ends = dropped.send((service.clone(), bytes));
                    }
                    Ok(_) | Err(Errno::EAGAIN) => break,
                    Err(_) => return,
                }
            }
        }
    })
}
