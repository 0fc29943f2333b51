//! The gateway on a thread of its own: a socket pair as the port, a listener as PID 1.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use orlop_control::gateway::{Mux, MuxEvent, Side};
use orlop_sys::scm;

use super::GatewayError;
use super::port::Port;
use super::run::serve;

/// The workstation's side of the port.
struct Host {
    port: UnixStream,
    mux: Mux,
    received: BTreeMap<u32, Vec<u8>>,
    events: Vec<MuxEvent>,
}

impl Host {
    fn new(port: UnixStream) -> Self {
        port.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut host = Self {
            port,
            mux: Mux::new(Side::Host),
            received: BTreeMap::new(),
            events: Vec::new(),
        };
        host.until(|host| host.events.contains(&MuxEvent::Ready));
        host
    }

    fn write(&mut self) {
        while let Some(chunk) = self.mux.next_chunk() {
            let length = self.port.write(chunk).unwrap();
            self.mux.written(length);
        }
    }

    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        self.write();
        let mut buffer = [0; 4096];
        while !done(self) {
            let length = self.port.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "the gateway has ended");
            for event in self.mux.receive(&buffer[..length]) {
                if let MuxEvent::Received(channel, bytes) = &event {
                    self.received.entry(*channel).or_default().extend(bytes);
                } else {
                    self.events.push(event);
                }
            }
            self.write();
        }
    }

    fn got(&self, channel: u32) -> &[u8] {
        self.received.get(&channel).map_or(&[], Vec::as_slice)
    }
}

struct Machine {
    _folder: tempfile::TempDir,
    listener: UnixListener,
    stop: UnixStream,
    /// Ends with the CPU time that it took.
    gateway: JoinHandle<Result<Duration, GatewayError>>,
}

fn machine() -> (Machine, UnixStream) {
    let folder = tempfile::tempdir().unwrap();
    let control: PathBuf = folder.path().join("control.sock");
    let listener = UnixListener::bind(&control).unwrap();
    let (host, port) = UnixStream::pair().unwrap();
    port.set_nonblocking(true).unwrap();
    let (stop, stopped) = UnixStream::pair().unwrap();
    let gateway = std::thread::spawn(move || {
        let port = Port::new(port.into()).map_err(GatewayError::Port)?;
        serve(port, &control, &stopped)?;
        Ok(Duration::from(
            clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap(),
        ))
    });
    let machine = Machine {
        _folder: folder,
        listener,
        stop,
        gateway,
    };
    (machine, host)
}

impl Machine {
    fn accept(&self) -> UnixStream {
        let (stream, _) = self.listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn end(mut self) -> Duration {
        self.stop.write_all(b"x").unwrap();
        self.gateway.join().unwrap().unwrap()
    }
}

fn read(stream: &mut UnixStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn each_channel_is_a_connection_of_its_own() {
    let (machine, port) = machine();
    let mut host = Host::new(port);
    let (one, two) = (host.mux.open().unwrap(), host.mux.open().unwrap());
    host.mux.send(one, b"first");
    host.mux.send(two, b"second");
    host.write();
    let (mut first, mut second) = (machine.accept(), machine.accept());
    assert_eq!(read(&mut first, 5), b"first");
    assert_eq!(read(&mut second, 6), b"second");
    second.write_all(b"to two").unwrap();
    first.write_all(b"to one").unwrap();
    host.until(|host| host.got(one) == b"to one" && host.got(two) == b"to two");
    // PID 1 closes one, the workstation the other.
    drop(first);
    host.until(|host| host.events.contains(&MuxEvent::Closed(one)));
    host.mux.close(two);
    host.write();
    assert_eq!(second.read(&mut [0; 8]).unwrap(), 0);
    machine.end();
}

#[test]
fn a_stream_without_end_arrives_whole_and_a_reset_ends_it() {
    let (machine, port) = machine();
    let mut host = Host::new(port);
    let channel = host.mux.open().unwrap();
    host.mux.send(channel, b"logs");
    host.write();
    let mut connection = machine.accept();
    assert_eq!(read(&mut connection, 4), b"logs");
    let pouring = std::thread::spawn(move || {
        let block: Vec<u8> = (0..=255).cycle().take(65_536).collect();
        // Ends when the gateway closes the connection.
        while connection.write_all(&block).is_ok() {}
    });
    host.until(|host| host.got(channel).len() > 4_000_000);
    let got = host.got(channel);
    assert!(got.iter().zip((0..=255u8).cycle()).all(|(a, b)| *a == b));
    // The next workstation begins in the middle of whatever is on its way.
    host.mux = Mux::new(Side::Host);
    host.events.clear();
    host.until(|host| host.events.contains(&MuxEvent::Ready));
    pouring.join().unwrap();
    let channel = host.mux.open().unwrap();
    host.mux.send(channel, b"again");
    host.write();
    assert_eq!(read(&mut machine.accept(), 5), b"again");
    machine.end();
}

/// A call by the workstation and its first answer, which comes with the read ends of two pipes; the
/// write ends.
fn answered_with_pipes(
    machine: &Machine,
    host: &mut Host,
    method: &str,
) -> (u32, UnixStream, [OwnedFd; 2]) {
    let channel = host.mux.open().unwrap();
    let call = format!("{{\"method\":\"{method}\",\"more\":true}}\0");
    host.mux.send(channel, call.as_bytes());
    host.write();
    let mut connection = machine.accept();
    assert_eq!(read(&mut connection, call.len()), call.as_bytes());
    let [(out, its_out), (err, its_err)] = [(); 2].map(|()| nix::unistd::pipe().unwrap());
    let fds = [out.as_fd(), err.as_fd()];
    scm::send_with_fds(connection.as_fd(), b"{}\0", &fds).unwrap();
    host.until(|host| host.got(channel) == b"{}\0");
    (channel, connection, [its_out, its_err])
}

#[test]
fn who_writes_on_after_the_end_of_an_exec_keeps_no_caller() {
    let (machine, port) = machine();
    let mut host = Host::new(port);
    let exec = answered_with_pipes(&machine, &mut host, "io.orlop.services.Exec");
    let (channel, mut connection, [out, err]) = exec;
    nix::unistd::write(&err, b"last words").unwrap();
    connection.write_all(b"{\"parameters\":{}}\0").unwrap();
    drop(connection);
    let pouring = std::thread::spawn(move || {
        // Ends when the gateway closes the pipe.
        while nix::unistd::write(&out, &[b'x'; 4096]).is_ok() {}
    });
    host.until(|host| host.events.contains(&MuxEvent::Closed(channel)));
    pouring.join().unwrap();
    // All that the process wrote came before its end, which is the last that comes.
    let all = String::from_utf8_lossy(host.got(channel)).into_owned();
    assert!(all.contains("bGFzdCB3b3Jkcw=="), "{all}");
    assert!(all.ends_with("{\"parameters\":{}}\0"), "{all}");
    machine.end();
}

#[test]
fn an_end_without_end_closes_the_channel() {
    let (machine, port) = machine();
    let mut host = Host::new(port);
    let exec = answered_with_pipes(&machine, &mut host, "io.orlop.services.Exec");
    let (channel, mut connection, _pipes) = exec;
    let pouring = std::thread::spawn(move || while connection.write_all(&[b'x'; 4096]).is_ok() {});
    host.until(|host| host.events.contains(&MuxEvent::Closed(channel)));
    pouring.join().unwrap();
    machine.end();
}

#[test]
fn what_the_log_sends_is_shown_whatever_comes_along() {
    let (machine, port) = machine();
    let mut host = Host::new(port);
    let logs = answered_with_pipes(&machine, &mut host, "io.orlop.services.Logs");
    let (channel, mut connection, [out, _err]) = logs;
    // The pipes are closed at once.
    assert_eq!(
        nix::unistd::write(&out, b"out"),
        Err(nix::errno::Errno::EPIPE)
    );
    connection.write_all(b"a line").unwrap();
    host.until(|host| host.got(channel) == b"{}\0a line");
    machine.end();
}

#[test]
fn garbage_on_the_port_is_passed_over() {
    let (machine, mut port) = machine();
    let noise: Vec<u8> = b"OGW1 getty login: OGWOGW1"
        .iter()
        .copied()
        .cycle()
        .take(100_000)
        .collect();
    port.write_all(&noise).unwrap();
    let mut host = Host::new(port);
    let channel = host.mux.open().unwrap();
    host.mux.send(channel, b"hello");
    host.write();
    assert_eq!(read(&mut machine.accept(), 5), b"hello");
    machine.end();
}

#[test]
fn a_control_socket_that_is_gone_closes_the_channel() {
    let (mut machine, port) = machine();
    let (listener, _unused) = UnixListener::bind(machine._folder.path().join("other"))
        .map(|l| (l, ()))
        .unwrap();
    drop(std::mem::replace(&mut machine.listener, listener));
    let mut host = Host::new(port);
    let channel = host.mux.open().unwrap();
    host.mux.send(channel, b"hello");
    host.until(|host| host.events.contains(&MuxEvent::Closed(channel)));
    machine.end();
}

#[test]
fn a_host_that_is_gone_costs_no_time() {
    let (machine, port) = machine();
    let mut host = Host::new(port);
    let channel = host.mux.open().unwrap();
    host.mux.send(channel, b"hello");
    host.write();
    let mut connection = machine.accept();
    drop(host);
    // The connection ends with the workstation.
    assert_eq!(read(&mut connection, 5), b"hello");
    assert_eq!(connection.read(&mut [0; 8]).unwrap(), 0);
    std::thread::sleep(Duration::from_millis(400));
    let spent = machine.end();
    assert!(spent < Duration::from_millis(100), "{spent:?}");
}
