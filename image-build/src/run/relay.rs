//! Control connections of the workstation, carried over the virtio port `orlop.control`.
//!
//! One thread, one poll(2) loop: the port, the listening socket, and the clients. A client that
//! comes before the machine's gateway is there waits for it. What travels is decided by
//! [`orlop_control::gateway::Mux`].

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use orlop_control::gateway::{MAX_CHANNELS, Mux, MuxEvent, Side};

/// Above this many bytes under way to the machine, clients are not read.
const FULL: usize = 256 * 1024;
/// How long a client waits for a gateway; a machine without one never answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// A client that lets this much lie unread is dropped, so that it does not hold up the others.
const UNREAD: usize = 16 * 1024 * 1024;

/// A client with a channel.
struct Client {
    stream: UnixStream,
    /// What the machine sent and the client has not taken yet.
    unread: Vec<u8>,
    /// The machine closed the channel: the client goes when `unread` is empty.
    ending: bool,
}

struct Wire {
    port: UnixStream,
    listener: UnixListener,
    /// Says that the gateway is gone.
    nudged: UnixStream,
    mux: Mux,
    /// Clients without a channel yet, and since when.
    waiting: VecDeque<(Instant, UnixStream)>,
    clients: BTreeMap<u32, Client>,
}

/// The thread that carries.
pub(super) struct Relay {
    nudge: UnixStream,
}

impl Relay {
    /// Carries on a thread of its own, until QEMU closes the port.
    pub(super) fn start(port: UnixStream, listener: UnixListener) -> Result<Self> {
        let (nudge, nudged) = UnixStream::pair().context("make a socket pair")?;
        start(port, listener, nudged)?;
        Ok(Self { nudge })
    }

    /// The machine's gateway closed its end: a halted machine leaves the port as it is, and its
    /// clients would wait for ever.
    pub(super) fn gateway_gone(&mut self) {
        // One byte that is not taken yet says as much as two; a thread that ended needs none.
        let _ = self.nudge.write(&[0]);
    }
}

fn start(port: UnixStream, listener: UnixListener, nudged: UnixStream) -> Result<()> {
    let sockets = [
        port.set_nonblocking(true),
        listener.set_nonblocking(true),
        nudged.set_nonblocking(true),
    ];
    for result in sockets {
        result.context("prepare the control sockets")?;
    }
    let mut wire = Wire {
        port,
        listener,
        nudged,
        mux: Mux::new(Side::Host),
        waiting: VecDeque::new(),
        clients: BTreeMap::new(),
    };
    std::thread::Builder::new()
        .name("relay".to_owned())
        .spawn(move || while wire.turn() {})
        .context("start the relay thread")?;
    Ok(())
}

/// What poll(2) said, by whose it is.
#[derive(Default)]
struct Ready {
    port: bool,
    listener: bool,
    nudged: bool,
    clients: Vec<u32>,
}

impl Wire {
    /// One round. False when the port is gone.
    fn turn(&mut self) -> bool {
        let Some(ready) = self.wait() else {
            return false;
        };
        if ready.listener
            && let Ok((stream, _)) = self.listener.accept()
            && stream.set_nonblocking(true).is_ok()
        {
            self.waiting.push_back((Instant::now(), stream));
        }
        for channel in ready.clients {
            self.read_client(channel);
        }
        if ready.port && !self.read_port() {
            return false;
        }
        // After what the port still had: an answer that came before the end is given.
        if ready.nudged && !self.gateway_gone() {
            return false;
        }
        self.open_waiting();
        self.write_clients();
        self.write_port()
    }

    fn wait(&self) -> Option<Ready> {
        let wanted = |read: bool, write: bool| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, read);
            flags.set(PollFlags::POLLOUT, write);
            flags
        };
        let room = self.mux.pending() < FULL;
        let crowded = self.waiting.len() + self.clients.len() >= MAX_CHANNELS;
        let mut fds = vec![
            PollFd::new(self.port.as_fd(), wanted(true, self.mux.pending() > 0)),
            PollFd::new(self.listener.as_fd(), wanted(!crowded, false)),
            PollFd::new(self.nudged.as_fd(), wanted(true, false)),
        ];
        fds.extend(self.clients.values().map(|client| {
            let read = room && !client.ending;
            PollFd::new(
                client.stream.as_fd(),
                wanted(read, !client.unread.is_empty()),
            )
        }));
        match poll(&mut fds, self.timeout()) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Some(Ready::default()),
            Err(_) => return None,
        }
        let mut any = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let port = any.next().unwrap_or(false);
        let listener = any.next().unwrap_or(false);
        let nudged = any.next().unwrap_or(false);
        let clients = self.clients.keys().zip(any);
        let clients = clients.filter(|(_, any)| *any).map(|(c, _)| *c).collect();
        Some(Ready {
            port,
            listener,
            nudged,
            clients,
        })
    }

    fn read_port(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let count = match self.port.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return passing(&error),
        };
        for event in self.mux.receive(buffer.get(..count).unwrap_or_default()) {
            match event {
                MuxEvent::Received(channel, bytes) => {
                    if let Some(client) = self.clients.get_mut(&channel) {
                        client.unread.extend(bytes);
                    }
                }
                MuxEvent::Closed(channel) => {
                    if let Some(client) = self.clients.get_mut(&channel) {
                        client.ending = true;
                    }
                }
                MuxEvent::Reset => self.clients.clear(),
                MuxEvent::Ready | MuxEvent::Opened(_) => {}
            }
        }
        true
    }

    /// False when nobody nudges any more: the tool ends.
    fn gateway_gone(&mut self) -> bool {
        let open = match self.nudged.read(&mut [0; 16]) {
            Ok(count) => count > 0,
            Err(error) => passing(&error),
        };
        self.mux.peer_gone();
        for client in self.clients.values_mut() {
            client.ending = true;
        }
        open
    }

    fn read_client(&mut self, channel: u32) {
        let Some(client) = self.clients.get_mut(&channel) else {
            return;
        };
        if client.ending {
            return;
        }
        let mut buffer = [0; 16 * 1024];
        let open = match client.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                self.mux.send(channel, bytes)
            }
            Err(error) => passing(&error),
        };
        if !open {
            self.mux.close(channel);
            self.clients.remove(&channel);
        }
    }

    /// Until the first client that waits has waited too long.
    fn timeout(&self) -> PollTimeout {
        let Some((since, _)) = self.waiting.front() else {
            return PollTimeout::NONE;
        };
        // A millisecond more, so that it is over when poll(2) comes back.
        let left = PATIENCE.saturating_sub(since.elapsed()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO)
    }

    fn open_waiting(&mut self) {
        self.waiting.retain(|(since, _)| since.elapsed() < PATIENCE);
        while !self.waiting.is_empty() {
            let Some(channel) = self.mux.open() else {
                return;
            };
            let Some((_, stream)) = self.waiting.pop_front() else {
                return;
            };
            let client = Client {
                stream,
                unread: Vec::new(),
                ending: false,
            };
            self.clients.insert(channel, client);
        }
    }

    fn write_clients(&mut self) {
        let mux = &mut self.mux;
        self.clients.retain(|channel, client| {
            let open = client.write() && client.unread.len() < UNREAD;
            let done = client.ending && client.unread.is_empty();
            if !open {
                mux.close(*channel);
            }
            open && !done
        });
    }

    fn write_port(&mut self) -> bool {
        while let Some(chunk) = self.mux.next_chunk() {
            match self.port.write(chunk) {
                Ok(count) => self.mux.written(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

impl Client {
    /// False when the client is gone.
    fn write(&mut self) -> bool {
        while !self.unread.is_empty() {
            match self.stream.write(&self.unread) {
                Ok(count) => drop(self.unread.drain(..count)),
                Err(error) => return passing(&error),
            }
        }
        true
    }
}

fn passing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::time::Duration;

    use super::*;

    /// The machine's end: answers each channel's bytes with the same in capitals, then closes it.
    fn shouting_gateway(mut port: UnixStream) {
        let mut mux = Mux::new(Side::Machine);
        let mut buffer = [0; 100];
        loop {
            while let Some(chunk) = mux.next_chunk() {
                let count = port.write(chunk).unwrap();
                mux.written(count);
            }
            let count = port.read(&mut buffer).unwrap();
            if count == 0 {
                return;
            }
            for event in mux.receive(&buffer[..count]) {
                if let MuxEvent::Received(channel, bytes) = event {
                    mux.send(channel, &bytes.to_ascii_uppercase());
                    mux.close(channel);
                }
            }
        }
    }

    #[test]
    fn a_client_is_let_go_when_the_gateway_closes_its_port_without_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut relay = Relay::start(ours, UnixListener::bind(&socket).unwrap()).unwrap();
        let mut client = UnixStream::connect(&socket).unwrap();
        client.write_all(b"halt").unwrap();
        let mut mux = Mux::new(Side::Machine);
        let mut buffer = [0; 100];
        let mut heard = Vec::new();
        while heard.is_empty() {
            let count = theirs.read(&mut buffer).unwrap();
            let events = mux.receive(&buffer[..count]);
            let received = |event| match event {
                MuxEvent::Received(_, bytes) => Some(bytes),
                _ => None,
            };
            heard.extend(events.into_iter().filter_map(received));
            while let Some(chunk) = mux.next_chunk() {
                let count = theirs.write(chunk).unwrap();
                mux.written(count);
            }
        }
        assert_eq!(heard, [b"halt"]);
        relay.gateway_gone();
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert_eq!(client.read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn clients_that_come_before_the_gateway_are_answered_when_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let (ours, theirs) = UnixStream::pair().unwrap();
        let _relay = Relay::start(ours, UnixListener::bind(&socket).unwrap()).unwrap();
        let clients: Vec<UnixStream> = (0..3)
            .map(|number| {
                let mut client = UnixStream::connect(&socket).unwrap();
                client
                    .set_read_timeout(Some(Duration::from_secs(10)))
                    .unwrap();
                writeln!(client, "hello {number}").unwrap();
                client
            })
            .collect();
        std::thread::spawn(move || shouting_gateway(theirs));
        for (number, client) in clients.into_iter().enumerate() {
            let lines: Vec<String> = BufReader::new(client).lines().map(Result::unwrap).collect();
            assert_eq!(lines, [format!("HELLO {number}")]);
        }
    }
}
