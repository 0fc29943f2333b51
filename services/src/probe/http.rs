//! One GET, and the status of its answer (RFC 9112). What comes after the header is not read.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::RangeInclusive;

use httparse::{EMPTY_HEADER, Response, Status};

use super::deadline::Deadline;
use super::{ProbeError, connect};

/// The longest header that is taken, and the most lines in it.
const LONGEST: usize = 32 << 10;
const LINES: usize = 128;

/// What is asked.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) port: u16,
    pub(super) path: &'a str,
    /// What is a pass.
    pub(super) expect: RangeInclusive<u16>,
}

/// Why an answer is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotHttp {
    /// It breaks the grammar.
    #[error("the answer is not HTTP: {0}")]
    Grammar(httparse::Error),
    /// The connection ended before the header did.
    #[error("closed before the end of the answer's header")]
    Closed,
    /// It has no end.
    #[error("the answer's header is longer than 32 KiB")]
    Long,
}

/// Asks.
///
/// # Errors
/// [`ProbeError`].
pub(super) fn ask(question: &Question<'_>, deadline: &Deadline) -> Result<String, ProbeError> {
    let Question { port, path, expect } = question;
    let port = *port;
    let mut stream = connect(port, deadline)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: orlop-probe\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    in_time(port, &stream, deadline)?;
    stream
        .write_all(request.as_bytes())
        .map_err(|source| broken(port, source))?;
    let status = answer(port, &mut stream, deadline)?;
    if expect.contains(&status) {
        return Ok(format!("status {status}"));
    }
    Err(ProbeError::Status {
        status,
        first: *expect.start(),
        last: *expect.end(),
    })
}

/// The status, once the whole header is there.
fn answer(port: u16, stream: &mut TcpStream, deadline: &Deadline) -> Result<u16, ProbeError> {
    let not_http = |reason| ProbeError::NotHttp { port, reason };
    let mut header = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        in_time(port, stream, deadline)?;
        let count = match stream.read(&mut chunk) {
            Ok(0) => return Err(not_http(NotHttp::Closed)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(broken(port, source)),
        };
        header.extend(chunk.iter().take(count));
        if let Some(status) = status(&mut header).map_err(not_http)? {
            return Ok(status);
        }
        if header.len() >= LONGEST {
            return Err(not_http(NotHttp::Long));
        }
    }
}

/// The status of the final answer, once its header is whole. Interim ones (1xx) are taken out.
fn status(header: &mut Vec<u8>) -> Result<Option<u16>, NotHttp> {
    loop {
        let mut lines = [EMPTY_HEADER; LINES];
        let mut response = Response::new(&mut lines);
        match response.parse(header) {
            Ok(Status::Partial) => return Ok(None),
            Ok(Status::Complete(length)) => match response.code {
                Some(100 | 102..=199) => _ = header.drain(..length),
                code => return Ok(code),
            },
            Err(httparse::Error::TooManyHeaders) => return Err(NotHttp::Long),
            Err(error) => return Err(NotHttp::Grammar(error)),
        }
    }
}

/// Lets the next system call take what is left of the time.
fn in_time(port: u16, stream: &TcpStream, deadline: &Deadline) -> Result<(), ProbeError> {
    let left = deadline.left().ok_or_else(|| late(port))?;
    stream
        .set_read_timeout(Some(left))
        .and_then(|()| stream.set_write_timeout(Some(left)))
        .map_err(|source| ProbeError::Talk { port, source })
}

fn broken(port: u16, source: io::Error) -> ProbeError {
    match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => late(port),
        _ => ProbeError::Talk { port, source },
    }
}

fn late(port: u16) -> ProbeError {
    ProbeError::Late {
        port,
        what: "no whole answer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<u16>, NotHttp> {
        status(&mut text.as_bytes().to_vec())
    }

    #[test]
    fn the_final_status_is_the_answer() {
        assert_eq!(of("HTTP/1.1 204 No Content\r\n\r\n"), Ok(Some(204)));
        assert_eq!(of("HTTP/1.0 503 x\r\nA: b\r\n\r\n<html>"), Ok(Some(503)));
        assert_eq!(of("HTTP/1.1 200\r\n\r\n"), Ok(Some(200)));
        assert_eq!(
            of(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 404 x\r\n\r\n"
            ),
            Ok(Some(404))
        );
    }

    #[test]
    fn half_an_answer_is_none_and_no_http_is_an_error() {
        for text in [
            "",
            "HTTP",
            "HTTP/1.1 200 OK\r\nA: b\r\n",
            "HTTP/1.1 100 x\r\n\r\n",
        ] {
            assert_eq!(of(text), Ok(None), "{text:?}");
        }
        for text in [
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 2OO\r\n\r\n",
            "\0\0\0",
        ] {
            assert!(matches!(of(text), Err(NotHttp::Grammar(_))), "{text:?}");
        }
        let lines = "A: b\r\n".repeat(LINES + 1);
        assert_eq!(
            of(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")),
            Err(NotHttp::Long)
        );
    }
}
