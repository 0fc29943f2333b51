//! The loop: port and connections, each copied to the other as far as there is room.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use orlop_control::CONTROL_SOCKET;
use orlop_control::gateway::{MAX_PAYLOAD, Mux, MuxEvent, Side};

use super::port::{Input, Port, PortError};
use super::wire::{Part, Wire};
use crate::stop;

/// The port's path in the container.
const PORT: &str = "/dev/orlop.control";
/// How many bytes may wait for the port before connections are no longer read.
const MAX_PENDING: usize = 256 * 1024;
/// How many reads of the port before everything else has its turn.
const TURN: usize = 16;

/// Why the gateway ends.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The signals that stop it.
    #[error("watch for signals")]
    Signals(#[source] io::Error),
    /// poll(2).
    #[error("wait for events")]
    Wait(#[source] Errno),
}

/// Runs until SIGTERM. An argument is another path of the port.
///
/// # Errors
/// [`GatewayError`].
pub fn run(arguments: &[OsString]) -> Result<(), GatewayError> {
    let path = arguments.first().map_or_else(|| PORT.into(), PathBuf::from);
    let stop = stop::requested().map_err(GatewayError::Signals)?;
    serve(Port::open(&path)?, Path::new(CONTROL_SOCKET), &stop)
}

/// Serves until `stop` is readable.
pub(super) fn serve(port: Port, control: &Path, stop: &UnixStream) -> Result<(), GatewayError> {
    let mut gateway = Gateway {
        port,
        control: control.to_owned(),
        mux: Mux::new(Side::Machine),
        wires: BTreeMap::new(),
        port_has_more: true,
    };
    loop {
        gateway.write_port()?;
        let ready = gateway.wait(stop)?;
        if ready.stop {
            return Ok(());
        }
        gateway.port.acknowledge()?;
        gateway.read_port()?;
        for (channel, part, flags) in ready.wires {
            gateway.advance(channel, part, flags);
        }
        gateway.settle();
    }
}

struct Gateway {
    port: Port,
    control: PathBuf,
    mux: Mux,
    wires: BTreeMap<u32, Wire>,
    /// The port was not read to its end, and will not tell of what is left.
    port_has_more: bool,
}

struct Ready {
    stop: bool,
    wires: Vec<(u32, Part, PollFlags)>,
}

impl Gateway {
    fn wait(&self, stop: &UnixStream) -> Result<Ready, GatewayError> {
        let room = self.mux.pending() < MAX_PENDING;
        let mut fds = vec![
            PollFd::new(self.port.changes.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
        ];
        let mut parts = Vec::new();
        for (channel, wire) in &self.wires {
            for (part, fd, wanted) in wire.wanted(room) {
                fds.push(PollFd::new(fd, wanted));
                parts.push((*channel, part));
            }
        }
        let timeout = match self.port_has_more {
            true => PollTimeout::ZERO,
            false => PollTimeout::NONE,
        };
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(GatewayError::Wait(errno)),
        }
        let flags = |fd: &PollFd<'_>| fd.revents().unwrap_or(PollFlags::empty());
        let ready = parts.into_iter().zip(fds.iter().skip(2).map(flags));
        let wires = ready.map(|((channel, part), flags)| (channel, part, flags));
        Ok(Ready {
            stop: fds.get(1).is_some_and(|fd| !flags(fd).is_empty()),
            wires: wires.filter(|(_, _, flags)| !flags.is_empty()).collect(),
        })
    }

    fn read_port(&mut self) -> Result<(), GatewayError> {
        let mut buffer = vec![0; MAX_PAYLOAD];
        for _ in 0..TURN {
            match self.port.read(&mut buffer)? {
                Input::Bytes(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    for event in self.mux.receive(bytes) {
                        self.take(event);
                    }
                }
                Input::Empty => {
                    self.port_has_more = false;
                    return Ok(());
                }
                Input::Closed => {
                    self.port_has_more = false;
                    self.mux.peer_gone();
                    self.wires.clear();
                    return Ok(());
                }
            }
        }
        self.port_has_more = true;
        Ok(())
    }

    fn write_port(&mut self) -> Result<(), GatewayError> {
        while let Some(chunk) = self.mux.next_chunk() {
            match self.port.write(chunk)? {
                0 => return Ok(()),
                length => self.mux.written(length),
            }
        }
        Ok(())
    }

    fn take(&mut self, event: MuxEvent) {
        match event {
            MuxEvent::Opened(channel) => match Wire::connect(&self.control) {
                Ok(wire) => drop(self.wires.insert(channel, wire)),
                Err(errno) => {
                    crate::report::line("gateway", &format!("connect to PID 1: {errno}"));
                    self.mux.close(channel);
                }
            },
            MuxEvent::Received(channel, bytes) => {
                if let Some(wire) = self.wires.get_mut(&channel) {
                    let answer = wire.send(&bytes);
                    self.pass_on(channel, answer);
                }
            }
            MuxEvent::Closed(channel) => drop(self.wires.remove(&channel)),
            MuxEvent::Reset => self.wires.clear(),
            MuxEvent::Ready => {}
        }
    }

    fn advance(&mut self, channel: u32, part: Part, flags: PollFlags) {
        let Some(wire) = self.wires.get_mut(&channel) else {
            return;
        };
        let bytes = wire.advance(part, flags);
        self.pass_on(channel, bytes);
    }

    /// To the workstation; `None` closes the channel.
    fn pass_on(&mut self, channel: u32, bytes: Option<Vec<u8>>) {
        match bytes {
            Some(bytes) if bytes.is_empty() || self.mux.send(channel, &bytes) => {}
            _ => self.close(channel),
        }
    }

    /// Sends what is left of processes that have ended, as far as there is room.
    fn settle(&mut self) {
        let mut done = Vec::new();
        for (channel, wire) in &mut self.wires {
            while let Some((bytes, last)) = wire.settle(self.mux.pending() < MAX_PENDING) {
                if !self.mux.send(*channel, &bytes) || last {
                    done.push(*channel);
                    break;
                }
            }
        }
        for channel in done {
            self.close(channel);
        }
    }

    fn close(&mut self, channel: u32) {
        self.mux.close(channel);
        self.wires.remove(&channel);
    }
}
