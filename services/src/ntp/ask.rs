//! One round of questions: all servers at once, each by a socket of its own, so that the kernel drops
//! what others send.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::packet::{self, Refused, Reply};
use super::select::Sample;

/// What comes later is of little use: half of the way is how wrong it may be.
const ROUND: Duration = Duration::from_secs(2);
/// A reply with all of its extensions.
const LARGEST: usize = 1024;
/// What a server may cost beside the way there and back, microseconds.
const FLOOR: i64 = 1_000;
/// How many messages that are no answers one server may send in a round.
const PATIENCE: u32 = 64;

/// What a round brought.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Of those who know the time.
    pub(super) samples: Vec<Sample>,
    /// Who cannot be asked, and why.
    pub(super) failed: Vec<(SocketAddrV4, io::Error)>,
    /// Who answered something else.
    pub(super) refused: Vec<(SocketAddrV4, Refused)>,
}

/// A question that has not been answered.
struct Question {
    server: SocketAddrV4,
    socket: UdpSocket,
    cookie: u64,
    /// What the clock read, and the time that no correction changes.
    asked: (i64, Instant),
    patience: u32,
}

/// Asks all of them, until all have answered, the round is over or `stop` is readable.
///
/// # Errors
/// When nothing can be awaited.
pub(super) fn all(servers: &[SocketAddrV4], stop: &UnixStream) -> Result<Answers, Errno> {
    let mut answers = Answers::default();
    let mut open = Vec::new();
    for &server in servers {
        match Question::ask(server) {
            Ok(question) => open.push(question),
            Err(error) => answers.failed.push((server, error)),
        }
    }
    let end = Instant::now() + ROUND;
    while !open.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        let mut fds: Vec<PollFd<'_>> = open
            .iter()
            .map(|question| PollFd::new(question.socket.as_fd(), PollFlags::POLLIN))
            .collect();
        fds.push(PollFd::new(stop.as_fd(), PollFlags::POLLIN));
        match poll(
            &mut fds,
            PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO),
        ) {
            Ok(0) => break,
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any() == Some(true)).collect();
        if ready.last() == Some(&true) {
            break;
        }
        let mut unanswered = Vec::new();
        for (question, ready) in open.into_iter().zip(ready) {
            let question = if ready {
                question.read(&mut answers)
            } else {
                Some(question)
            };
            unanswered.extend(question);
        }
        open = unanswered;
    }
    Ok(answers)
}

impl Question {
    fn ask(server: SocketAddrV4) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        // A hash by a key from the kernel: nobody guesses it.
        let cookie = RandomState::new().build_hasher().finish();
        let asked = (now_us(), Instant::now());
        socket.send(&packet::request(cookie))?;
        Ok(Self {
            server,
            socket,
            cookie,
            asked,
            patience: PATIENCE,
        })
    }

    /// Reads one message; gives the question back while it is open.
    fn read(mut self, answers: &mut Answers) -> Option<Self> {
        let mut bytes = [0; LARGEST];
        let read = self.socket.recv(&mut bytes);
        let elapsed = self.asked.1.elapsed();
        let parsed = match read {
            Ok(length) => packet::parse(bytes.get(..length).unwrap_or_default(), self.cookie),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Some(self),
            Err(error) => {
                answers.failed.push((self.server, error));
                return None;
            }
        };
        match parsed {
            Ok(reply) => answers
                .samples
                .push(sample(self.server, self.asked.0, elapsed, &reply)),
            Err(Refused::NotOurs) => {
                self.patience = self.patience.checked_sub(1)?;
                return Some(self);
            }
            Err(refused) => {
                answers.refused.push((self.server, refused));
            }
        }
        None
    }
}

/// Offset and delay of RFC 5905, section 8.
fn sample(server: SocketAddrV4, asked_us: i64, elapsed: Duration, reply: &Reply) -> Sample {
    let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX / 4);
    let answered_us = asked_us + elapsed_us;
    let there = reply.received_us - asked_us;
    let back = reply.sent_us - answered_us;
    let delay_us = (elapsed_us - (reply.sent_us - reply.received_us)).max(0);
    Sample {
        offset_us: (there + back) / 2,
        distance_us: delay_us / 2 + reply.distance_us + FLOOR,
        server,
    }
}

/// What the clock reads: microseconds since 1970.
fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_micros()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_there_and_back_is_taken_off() {
        let server = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 123);
        let reply = Reply {
            received_us: 5_000_000 + 20_000,
            sent_us: 5_000_000 + 30_000,
            distance_us: 7,
        };
        // 20 ms there, 10 ms thinking, 20 ms back; the server's clock is 5 s ahead.
        let found = sample(server, 0, Duration::from_millis(50), &reply);
        assert_eq!(
            (found.offset_us, found.distance_us),
            (5_000_000, 20_000 + 7 + FLOOR)
        );
    }

    #[test]
    fn servers_are_asked_together_and_forgers_not_heard() {
        let (_keep, stop) = UnixStream::pair().unwrap();
        let honest = UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let kissing = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = |socket: &UdpSocket| match socket.local_addr().unwrap() {
            std::net::SocketAddr::V4(address) => address,
            std::net::SocketAddr::V6(_) => unreachable!("an IPv4 socket"),
        };
        let servers = [address(&honest), address(&silent), address(&kissing)];
        let answer = |socket: UdpSocket, stratum: u8| {
            std::thread::spawn(move || {
                let mut request = [0; 48];
                let (_, client) = socket.recv_from(&mut request).unwrap();
                let mut reply = [0; 48];
                reply[..2].copy_from_slice(&[4 << 3 | 4, stratum]);
                reply[12..16].copy_from_slice(b"DENY");
                reply[32..36].fill(0xe0);
                reply[40..44].fill(0xe0);
                // Somebody who has not seen the request, before the right one.
                socket.send_to(&reply, client).unwrap();
                socket.send_to(&reply[..20], client).unwrap();
                reply[24..32].copy_from_slice(&request[40..]);
                socket.send_to(&reply, client).unwrap();
            })
        };
        let threads = [answer(honest, 1), answer(kissing, 0)];
        let answers = all(&servers, &stop).unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
        let heard: Vec<SocketAddrV4> = answers.samples.iter().map(|s| s.server).collect();
        assert_eq!(heard, servers[..1]);
        assert_eq!(answers.refused, [(servers[2], Refused::Unwelcome)]);
    }
}
