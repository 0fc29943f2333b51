//! Applet `probe` against servers that are well, ill and hostile.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

fn probe(words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
    let output = command.arg("probe").args(words).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text.trim_end().to_owned())
}

/// Serves one connection; gives the port.
fn serve(answer: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || answer(listener.accept().unwrap().0));
    port.to_string()
}

fn http(milliseconds: &str, port: &str) -> (i32, String) {
    probe(&[milliseconds, "http", port, "/health?a=b", "200", "399"])
}

fn says(text: &'static str) -> String {
    serve(move |mut stream| {
        let mut request = [0; 1024];
        let count = stream.read(&mut request).unwrap();
        let request = String::from_utf8_lossy(request.get(..count).unwrap()).into_owned();
        assert!(
            request.starts_with("GET /health?a=b HTTP/1.1\r\nHost: localhost:"),
            "{request}"
        );
        stream.write_all(text.as_bytes()).unwrap();
    })
}

#[test]
fn the_status_decides() {
    let of = |text| http("10000", &says(text));
    assert_eq!(
        of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (0, "status 200".to_owned())
    );
    assert_eq!(
        of("HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n"),
        (0, "status 302".to_owned())
    );
    assert_eq!(
        of("HTTP/1.1 503 Service Unavailable\r\n\r\n"),
        (1, "status 503, not 200 to 399".to_owned())
    );
}

#[test]
fn hostile_servers_cost_no_more_than_the_time_allowed() {
    let start = Instant::now();
    let endless = serve(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream
            .write_all(b"X-Padding: 0123456789012345678901234567890123456789\r\n")
            .is_ok()
        {}
    });
    let (status, text) = http("10000", &endless);
    assert_eq!(
        (
            status,
            text.ends_with(": the answer's header is longer than 32 KiB")
        ),
        (1, true),
        "{text}"
    );
    let drip = serve(|mut stream| {
        for byte in b"HTTP/1.1 200 OK\r\nX: "
            .iter()
            .chain(std::iter::repeat(&b'x'))
        {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let (status, text) = http("500", &drip);
    assert_eq!(
        (status, text.ends_with(": no whole answer in time")),
        (1, true),
        "{text}"
    );
    let silent = serve(|mut stream| _ = stream.read_to_end(&mut Vec::new()));
    let (status, text) = http("300", &silent);
    assert_eq!(
        (status, text.ends_with(": no whole answer in time")),
        (1, true),
        "{text}"
    );
    let closed = serve(drop);
    let (status, text) = http("10000", &closed);
    let closed = text.ends_with("closed before the end of the answer's header")
        || text.contains("reset by peer");
    assert_eq!((status, closed), (1, true), "{text}");
    let (status, text) = http("10000", &says("SSH-2.0-OpenSSH_9.2\r\n"));
    assert_eq!(
        (status, text.contains("the answer is not HTTP")),
        (1, true),
        "{text}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_port_that_accepts_and_a_file_that_exists() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    assert_eq!(
        probe(&["1000", "tcp", &port]),
        (0, format!("port {port} accepts"))
    );
    drop(listener);
    let (status, text) = probe(&["1000", "tcp", &port]);
    assert_eq!(
        (status, text.contains("Connection refused")),
        (1, true),
        "{text}"
    );
    assert_eq!(probe(&["1000", "file", "/etc/passwd"]).0, 0);
    let (status, text) = probe(&["1000", "file", "/nonexistent"]);
    assert_eq!(
        (status, text.starts_with("/nonexistent: No such file")),
        (1, true),
        "{text}"
    );
}

#[test]
fn a_wrong_call_is_told_apart() {
    for words in [
        &[][..],
        &["x"],
        &["1", "http", "80"],
        &["1", "tcp", "65536"],
        &["-1", "file", "/"],
    ] {
        assert_eq!(probe(words).0, 2, "{words:?}");
    }
}
