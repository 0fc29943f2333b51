//! `ntp`: a client of NTPv4 (RFC 5905, as simple as RFC 4330 lets it be) without any capability.
//!
//! It asks the servers that its arguments name, works out how wrong the clock is, and tells PID 1 by
//! `io.orlop.time.Adjust`, which alone may set it and believes little. `packet` and `resolve` read
//! bytes that anybody may have sent; `select` and `pace` decide, without IO; `ask` and this file are
//! the effects.

mod ask;
mod pace;
mod packet;
mod resolve;
mod select;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddrV4;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use orlop_control::client::{Client, ClientError};
use orlop_control::{CONTROL_SOCKET, TimeAdjustment};

use crate::stop;
use ask::Answers;
use pace::Pace;
use packet::Refused;
use resolve::Server;
use select::Sample;

/// How long PID 1's answer is awaited.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most addresses that are asked: a name of a pool stands for several.
const MOST: usize = 8;
/// How long a server is left alone that was asked too often.
const QUIET: Duration = Duration::from_hours(1);
/// An offset below this is not worth a line, in microseconds.
const WORTH_A_LINE: u64 = 100_000;

/// Why the program ends.
#[derive(Debug, thiserror::Error)]
pub enum NtpError {
    /// There is nobody to ask.
    #[error("name the servers in `command`: [\"/usr/bin/ntp\", \"2.debian.pool.ntp.org\"]")]
    NoServers,
    /// Not a server.
    #[error("server {0:?}: write a name or an IPv4 address, with a port where it is not 123")]
    Server(OsString),
    /// The signal to stop cannot be awaited.
    #[error("listen for SIGTERM")]
    Stop(#[source] io::Error),
    /// Nothing can be awaited.
    #[error("wait")]
    Poll(#[source] Errno),
}

/// Keeps the clock right until SIGTERM.
///
/// # Errors
/// When the arguments name no servers, and when not even waiting works.
pub fn run(arguments: &[OsString]) -> Result<(), NtpError> {
    let servers: Vec<Server> = arguments
        .iter()
        .map(|word| Server::parse(word).ok_or_else(|| NtpError::Server(word.clone())))
        .collect::<Result<_, _>>()?;
    if servers.is_empty() {
        return Err(NtpError::NoServers);
    }
    let stop = stop::requested().map_err(NtpError::Stop)?;
    let mut pace = Pace::default();
    // Who is not to be asked, and until when.
    let mut refused = Vec::new();
    loop {
        refused
            .retain(|(_, until): &(_, Option<Instant>)| until.is_none_or(|t| Instant::now() < t));
        let addresses = addresses(&servers, &refused);
        let answers = ask::all(&addresses, &stop).map_err(NtpError::Poll)?;
        for (address, why) in &answers.failed {
            say(&format!("{address}: {why}"));
        }
        for &(address, why) in &answers.refused {
            say(&format!("{address} {why}"));
            match why {
                Refused::TooOften => refused.push((address, Some(Instant::now() + QUIET))),
                Refused::Unwelcome => refused.push((address, None)),
                Refused::NotOurs | Refused::Unsynchronised => {}
            }
        }
        match keep_right(&answers, pace.poll()) {
            Kept::Right(offset_us) => pace.adjusted(offset_us),
            Kept::Unknown(why) => {
                pace.failed();
                say(&why);
            }
        }
        if stopped(&stop, pace.wait())? {
            return Ok(());
        }
    }
}

/// What came of one round.
enum Kept {
    /// PID 1 knows of so many microseconds.
    Right(i64),
    /// Nobody knows what time it is, or PID 1 does not believe it.
    Unknown(String),
}

fn keep_right(answers: &Answers, poll: u8) -> Kept {
    let Some(sample) = select::choose(&answers.samples) else {
        return Kept::Unknown(match answers.samples.len() {
            0 => "no server answers with the time".to_owned(),
            count => format!("{count} servers do not agree about the time"),
        });
    };
    let Sample {
        offset_us, server, ..
    } = sample;
    let told = format!("by {server} the clock is {} s off", seconds(offset_us));
    match report(TimeAdjustment { offset_us, poll }) {
        Ok(()) => {
            if offset_us.unsigned_abs() >= WORTH_A_LINE {
                say(&format!("{told}; set right"));
            }
            Kept::Right(offset_us)
        }
        Err(error) => Kept::Unknown(format!("{told}; not set: {error}")),
    }
}

fn report(adjustment: TimeAdjustment) -> Result<(), ClientError> {
    Client::connect(Path::new(CONTROL_SOCKET), Some(PATIENCE))?.adjust(adjustment)
}

/// Where to ask: literal addresses, and what the others' names stand for today; without those that
/// want to be left alone.
fn addresses(servers: &[Server], refused: &[(SocketAddrV4, Option<Instant>)]) -> Vec<SocketAddrV4> {
    let mut found = Vec::new();
    for server in servers {
        match server.addresses() {
            Ok(mut addresses) => {
                addresses.retain(|address| !refused.iter().any(|(who, _)| who == address));
                found.push(addresses);
            }
            Err(error) => say(&format!("{server}: {error}")),
        }
    }
    in_turn(&found)
}

/// The first address of each server, then the second of each, each address once and [`MOST`] in all:
/// a name that stands for many crowds nobody out, and so outvotes nobody.
fn in_turn(servers: &[Vec<SocketAddrV4>]) -> Vec<SocketAddrV4> {
    let longest = servers.iter().map(Vec::len).max().unwrap_or_default();
    let mut all = Vec::new();
    for round in 0..longest {
        for address in servers.iter().filter_map(|server| server.get(round)) {
            if all.len() < MOST && !all.contains(address) {
                all.push(*address);
            }
        }
    }
    all
}

/// Waits; true when the program is to end.
fn stopped(stop: &UnixStream, wait: Duration) -> Result<bool, NtpError> {
    let mut fds = [PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(NtpError::Poll(error)),
    }
}

/// `-0.012345`: without floats.
fn seconds(microseconds: i64) -> String {
    let sign = if microseconds < 0 { "-" } else { "" };
    let all = microseconds.unsigned_abs();
    format!("{sign}{}.{:06}", all / 1_000_000, all % 1_000_000)
}

/// One line to the service's log. Without a reader it is lost.
fn say(line: &str) {
    let _nobody_reads = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(addresses: impl IntoIterator<Item = u8>) -> Vec<SocketAddrV4> {
        let addresses = addresses.into_iter();
        let address = |last| SocketAddrV4::new([192, 0, 2, last].into(), 123);
        addresses.map(address).collect()
    }

    #[test]
    fn one_name_crowds_out_no_other() {
        let many = server(1..=100);
        let asked = in_turn(&[many.clone(), server([200]), Vec::new(), server([201, 202])]);
        assert_eq!(asked, server([1, 200, 201, 2, 202, 3, 4, 5]));
        assert_eq!(in_turn(&[many]), server(1..=8));
    }

    #[test]
    fn an_address_of_two_names_is_asked_once() {
        assert_eq!(
            in_turn(&[server([1, 2, 2]), server([2, 3])]),
            server([1, 2, 3])
        );
        assert_eq!(in_turn(&[]), []);
    }
}
