//! Applet `probe`: a health check's question, asked inside of the container that it is about. PID 1
//! executes it by descriptor, so the image needs no program for it.
//!
//! ```text
//! probe <milliseconds> http <port> <path> <first status> <last status>
//! probe <milliseconds> tcp <port>
//! probe <milliseconds> file <path>
//! ```
//! It says one line on standard output; exit status 0 is a pass, 1 a failure, 2 a wrong call.

mod deadline;
mod http;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use deadline::Deadline;

/// Why a probe failed.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    /// A connection was not accepted.
    #[error("connecting to port {port}: {source}")]
    Connect { port: u16, source: io::Error },
    /// A connection did not take what was said, or broke.
    #[error("talking to port {port}: {source}")]
    Talk { port: u16, source: io::Error },
    /// It is too late.
    #[error("port {port}: {what} in time")]
    Late { port: u16, what: &'static str },
    /// What came back is not HTTP.
    #[error("port {port}: {reason}")]
    NotHttp { port: u16, reason: http::NotHttp },
    /// Another status than those that are a pass.
    #[error("status {status}, not {first} to {last}")]
    Status { status: u16, first: u16, last: u16 },
    /// A file cannot be seen.
    #[error("{path}: {source}")]
    File { path: String, source: io::Error },
}

/// Asks what the words say and gives the exit status.
pub fn run(arguments: &[OsString]) -> u8 {
    let words: Option<Vec<&str>> = arguments.iter().map(|word| word.to_str()).collect();
    let Some(answer) = words.and_then(|words| ask(&words)) else {
        crate::report::line("probe", "call it as its documentation says");
        return 2;
    };
    let (line, status) = match answer {
        Ok(line) => (line, 0),
        Err(error) => (error.to_string(), 1),
    };
    // Whoever does not listen still gets the status.
    drop(writeln!(io::stdout(), "{line}"));
    status
}

/// `None` when the words make no sense.
fn ask(words: &[&str]) -> Option<Result<String, ProbeError>> {
    let (milliseconds, question) = words.split_first()?;
    let deadline = Deadline::after(Duration::from_millis(milliseconds.parse().ok()?));
    Some(match question {
        ["http", port, path, first, last] => http::ask(
            &http::Question {
                port: port.parse().ok()?,
                path,
                expect: first.parse().ok()?..=last.parse().ok()?,
            },
            &deadline,
        ),
        ["tcp", port] => {
            connect(port.parse().ok()?, &deadline).map(|_| format!("port {port} accepts"))
        }
        ["file", path] => fs::metadata(path)
            .map(|_| format!("{path} exists"))
            .map_err(|source| ProbeError::File {
                path: (*path).to_owned(),
                source,
            }),
        _ => return None,
    })
}

/// A connection to the port, on either loopback address: a service that listens on one of them only is
/// as well as one that listens on both.
fn connect(port: u16, deadline: &Deadline) -> Result<TcpStream, ProbeError> {
    let mut refused = None;
    for address in [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ] {
        let left = deadline.left().ok_or(ProbeError::Late {
            port,
            what: "no connection",
        })?;
        match TcpStream::connect_timeout(&SocketAddr::new(address, port), left) {
            Ok(stream) => return Ok(stream),
            // The first one's reason is told: of two refusals, or when there is no IPv6.
            Err(source) => _ = refused.get_or_insert(source),
        }
    }
    let source = refused.unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into());
    Err(ProbeError::Connect { port, source })
}
