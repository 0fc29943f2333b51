//! The whole service on a thread of its own, with real pipes, as PID 1 and as readers.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use orlop_control::client::Client;
use orlop_control::{LogLine, LogMessage, LogStream, LogsCall, LogsRequest};
use orlop_sys::scm;

use super::LogError;
use super::run::serve;

/// PID 1's side.
struct Machine {
    socket: OwnedFd,
    stop: UnixStream,
    log: JoinHandle<Result<(), LogError>>,
    /// PID 1 keeps both ends of every pipe.
    kept: Vec<OwnedFd>,
}

impl Machine {
    fn new(folder: Option<PathBuf>) -> Self {
        let (socket, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let log = std::thread::spawn(move || serve(theirs, &stopped, folder));
        Self {
            socket,
            stop,
            log,
            kept: Vec::new(),
        }
    }

    fn tell(&self, message: &LogMessage, fds: &[BorrowedFd<'_>]) {
        scm::send_with_fds(self.socket.as_fd(), &message.encode(), fds).unwrap();
    }

    /// A service's pipe; the write end.
    fn pipe(&mut self, service: &str, stream: LogStream) -> std::fs::File {
        let (read, write) = nix::unistd::pipe().unwrap();
        let service = service.to_owned();
        self.tell(&LogMessage::Stream { service, stream }, &[read.as_fd()]);
        let theirs = write.try_clone().unwrap();
        self.kept.extend([read, write]);
        theirs.into()
    }

    fn note(&self, service: &str, text: &str) {
        let (service, text) = (service.to_owned(), text.to_owned());
        self.tell(&LogMessage::Note { service, text }, &[]);
    }

    /// A client whose call PID 1 hands on.
    fn reader(&self, request: LogsRequest) -> UnixStream {
        let (client, handed) = UnixStream::pair().unwrap();
        let request = LogsCall {
            method: "io.orlop.services.Logs".to_owned(),
            parameters: request,
            more: true,
        };
        self.tell(&LogMessage::Read { request }, &[handed.as_fd()]);
        client
    }

    fn logs(&self, name: Option<&str>, lines: Option<u32>) -> Vec<LogLine> {
        let request = LogsRequest {
            name: name.map(str::to_owned),
            follow: false,
            lines,
        };
        let mut client = answers(self.reader(request));
        let mut all = Vec::new();
        loop {
            let (reply, continues): (serde_json::Value, bool) = client.receive().unwrap();
            if !continues {
                assert_eq!(reply, serde_json::json!({}));
                return all;
            }
            all.push(serde_json::from_value(reply).unwrap());
        }
    }

    fn texts(&self, name: Option<&str>, lines: Option<u32>) -> String {
        let lines = self.logs(name, lines);
        let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        texts.join(",")
    }

    fn end(mut self) {
        self.stop.write_all(b"x").unwrap();
        self.log.join().unwrap().unwrap();
    }
}

fn answers(stream: UnixStream) -> Client<UnixStream> {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    Client::new(stream)
}

#[test]
fn lines_of_services_in_their_order() {
    let mut machine = Machine::new(None);
    let mut web = machine.pipe("web", LogStream::Stdout);
    let mut errors = machine.pipe("web", LogStream::Stderr);
    let mut db = machine.pipe("db", LogStream::Stdout);
    web.write_all(b"one\ntw").unwrap();
    assert_eq!(machine.texts(Some("web"), None), "one");
    errors.write_all(b"bad \xff\n").unwrap();
    assert_eq!(machine.texts(None, None), "one,bad \u{fffd}");
    db.write_all(b"a\nb\n").unwrap();
    web.write_all(b"o\n").unwrap();
    assert_eq!(machine.texts(Some("db"), Some(1)), "b");
    assert_eq!(machine.texts(Some("web"), Some(2)), "bad \u{fffd},two");
    let streams: Vec<LogStream> = machine
        .logs(Some("web"), None)
        .iter()
        .map(|line| line.stream)
        .collect();
    assert_eq!(
        streams,
        [LogStream::Stdout, LogStream::Stderr, LogStream::Stdout]
    );
    machine.end();
}

#[test]
fn what_a_service_wrote_last_stands_before_the_note_of_its_end() {
    let mut machine = Machine::new(None);
    let mut web = machine.pipe("web", LogStream::Stdout);
    for round in 0..50 {
        web.write_all(format!("{round}\nlast words").as_bytes())
            .unwrap();
        machine.note("web", "exited with code 1");
        let seen = machine.texts(Some("web"), Some(3));
        assert_eq!(seen, format!("{round},last words,exited with code 1"));
    }
    let service = "web".to_owned();
    machine.tell(
        &LogMessage::Dropped {
            service,
            bytes: 4096,
        },
        &[],
    );
    let seen = machine.texts(Some("web"), Some(1));
    assert_eq!(seen, "4096 bytes were lost while the log service was away");
    machine.end();
}

#[test]
fn a_follower_sees_what_comes() {
    let mut machine = Machine::new(None);
    let mut web = machine.pipe("web", LogStream::Stdout);
    web.write_all(b"before\n").unwrap();
    let request = LogsRequest {
        name: Some("web".to_owned()),
        follow: true,
        lines: Some(0),
    };
    let mut client = answers(machine.reader(request));
    machine.note("web", "started");
    let (line, continues): (LogLine, bool) = client.receive().unwrap();
    assert_eq!((line.text.as_str(), continues), ("started", true));
    web.write_all(b"after\n").unwrap();
    let (line, _): (LogLine, bool) = client.receive().unwrap();
    assert_eq!(line.text, "after");
    machine.end();
}

#[test]
fn a_service_that_has_not_begun_has_said_nothing_and_can_be_followed() {
    let mut machine = Machine::new(None);
    machine.pipe("web", LogStream::Stdout);
    assert_eq!(machine.texts(Some("web"), None), "");
    assert_eq!(machine.texts(Some("waiting"), None), "");
    let request = LogsRequest {
        name: Some("waiting".to_owned()),
        follow: true,
        lines: None,
    };
    let mut client = answers(machine.reader(request));
    let mut waiting = machine.pipe("waiting", LogStream::Stdout);
    waiting.write_all(b"begun\n").unwrap();
    let (line, _): (LogLine, bool) = client.receive().unwrap();
    assert_eq!(line.text, "begun");
    machine.end();
}

#[test]
fn what_a_service_said_in_a_former_boot_is_told_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = Machine::new(Some(folder.path().to_owned()));
    let mut web = machine.pipe("web", LogStream::Stdout);
    web.write_all(b"last\n").unwrap();
    assert_eq!(machine.texts(Some("web"), None), "last");
    machine.end();
    let machine = Machine::new(Some(folder.path().to_owned()));
    assert_eq!(machine.texts(Some("web"), None), "last");
    machine.end();
}

#[test]
fn a_flood_and_readers_that_do_not_read_cost_bounded_memory_and_nobody_waits() {
    let mut machine = Machine::new(None);
    let mut flood = machine.pipe("flood", LogStream::Stdout);
    let mut quiet = machine.pipe("quiet", LogStream::Stdout);
    let follow = LogsRequest {
        follow: true,
        ..LogsRequest::default()
    };
    let mut stuck: Vec<UnixStream> = (0..63).map(|_| machine.reader(follow.clone())).collect();
    let before = resident_kib();
    let flooding = std::thread::spawn(move || {
        let block = [b"0123456789abcdef".repeat(63).as_slice(), b"\n"].concat();
        for _ in 0..100_000 {
            flood.write_all(&block).unwrap();
        }
    });
    for round in 0..20 {
        quiet.write_all(format!("{round}\n").as_bytes()).unwrap();
        assert_eq!(machine.texts(Some("quiet"), Some(1)), round.to_string());
    }
    flooding.join().unwrap();
    // The last place goes to one more: from now on, who is stuck for the longest time is let go.
    stuck.push(machine.reader(follow));
    let kept = machine.logs(Some("flood"), None);
    assert!((500..1100).contains(&kept.len()), "{}", kept.len());
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
    drop(stuck);
    machine.end();
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_slow_follower_is_told_what_it_misses() {
    let mut machine = Machine::new(None);
    let mut web = machine.pipe("web", LogStream::Stdout);
    let request = LogsRequest {
        follow: true,
        ..LogsRequest::default()
    };
    let slow = machine.reader(request);
    for number in 0..60_000 {
        web.write_all(format!("{number:0100}\n").as_bytes())
            .unwrap();
    }
    web.write_all(b"end\n").unwrap();
    // All of it is read before the slow one begins.
    assert_eq!(machine.texts(Some("web"), Some(1)), "end");
    let (mut notes, mut last) = (0, -1);
    let mut client = answers(slow);
    loop {
        let (line, _): (LogLine, bool) = client.receive().unwrap();
        match line.text.parse::<i32>() {
            Ok(number) => {
                assert!(number > last);
                last = number;
            }
            Err(_) if line.text == "end" => break,
            Err(_) => notes += 1,
        }
    }
    assert!(notes > 0);
    assert_eq!(last, 59_999);
    machine.end();
}

#[test]
fn files_outlive_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = Machine::new(Some(folder.path().to_owned()));
    let mut web = machine.pipe("web", LogStream::Stdout);
    web.write_all(b"one\n").unwrap();
    machine.note("web", "exited with code 0");
    machine.end();
    let mut machine = Machine::new(Some(folder.path().to_owned()));
    let mut web = machine.pipe("web", LogStream::Stdout);
    web.write_all(b"two\n").unwrap();
    let seen = machine.texts(Some("web"), None);
    assert_eq!(seen, "one,exited with code 0,two");
    // A name that is a path is none.
    machine.pipe("../web", LogStream::Stdout);
    machine.end();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_pipe_that_comes_again_takes_the_place_of_the_former() {
    let mut machine = Machine::new(None);
    let mut first = machine.pipe("web", LogStream::Stdout);
    first.write_all(b"one\n").unwrap();
    let mut second = machine.pipe("web", LogStream::Stdout);
    second.write_all(b"two\n").unwrap();
    assert_eq!(machine.texts(Some("web"), None), "one,two");
    machine.end();
}

#[test]
fn nonsense_of_pid_1_is_passed_over_and_its_end_is_an_error() {
    let machine = Machine::new(None);
    scm::send_with_fds(machine.socket.as_fd(), b"nonsense", &[]).unwrap();
    let service = "web".to_owned();
    let stream = LogStream::Stdout;
    machine.tell(&LogMessage::Stream { service, stream }, &[]);
    assert_eq!(machine.texts(None, None), "");
    drop(machine.socket);
    let ended = machine.log.join().unwrap();
    assert!(matches!(ended, Err(LogError::SocketEnded)));
}

#[test]
fn the_clients_own_reader_ends_with_the_stream() {
    let mut machine = Machine::new(None);
    let mut web = machine.pipe("web", LogStream::Stdout);
    web.write_all(b"one\ntwo\n").unwrap();
    // PID 1 has taken the call off the connection already: the client's half of it goes nowhere.
    let (mut far, near) = UnixStream::pair().unwrap();
    let mut answer = machine.reader(LogsRequest::default());
    let relay = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        answer.read_to_end(&mut bytes).unwrap();
        far.write_all(&bytes).unwrap();
    });
    let mut seen = Vec::new();
    answers(near)
        .logs(&LogsRequest::default(), |line| {
            seen.push(line.text);
            ControlFlow::Continue(())
        })
        .unwrap();
    relay.join().unwrap();
    assert_eq!(seen, ["one", "two"]);
    machine.end();
}
