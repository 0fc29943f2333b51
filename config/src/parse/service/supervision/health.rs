//! `healthcheck`: Compose's, and probes that need no program in the image.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::{count, span_or};
use crate::keys::Section;
use crate::parse::service::span::A_MILLISECOND;
use crate::scalar::absolute;
use crate::tree::{Fields, Findings, Node, quoted, shown};
use crate::{HealthCheck, HealthTest};

/// A probe is a process: more often than this would be a load.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// What `http` passes with when `expect` is not written.
const EXPECTED: RangeInclusive<u16> = 200..=399;
/// The longest path that is asked for.
const LONGEST_PATH: usize = 1024;
/// The keys of which one says what is asked.
const TESTS: [&str; 4] = ["test", "http", "tcp", "file"];

pub(super) fn healthcheck(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<HealthCheck> {
    if let Some(line) = node.value.as_str() {
        node.error(
            findings,
            format!(
                "must be a table, not text; write healthcheck = {{ test = {} }}",
                quoted(line)
            ),
        );
        return None;
    }
    let table = node.table(findings)?;
    let before = findings.errors();
    let fields = Fields::read(table, Section::Healthcheck, "healthcheck", findings);
    let disable = fields.get("disable").and_then(|n| n.boolean(findings));
    let tests: Vec<&str> = TESTS
        .into_iter()
        .filter(|key| fields.get(key).is_some())
        .collect();
    if let [first, second, ..] = tests.as_slice()
        && let Some(place) = fields.place(second)
    {
        findings.error(
            place,
            format!("stands beside {first}, and a check asks one thing; remove one of the two"),
        );
    } else if tests.is_empty() && disable != Some(true) && findings.errors() == before {
        node.refuse(findings, "does not say what is asked");
    } else if let (Some(true), [test, ..]) = (disable, tests.as_slice())
        && let Some(place) = fields.place("disable")
    {
        findings.error(
            place,
            format!("turns off what {test} asks; remove one of the two"),
        );
    }
    let expect = fields.get("expect").and_then(|n| expect(n, findings));
    if let (Some(node), None) = (fields.get("expect"), fields.get("http")) {
        node.error(
            findings,
            "is only for http; write http = \":80/\" too, or remove it",
        );
    }
    let test = match tests.first().and_then(|key| fields.get(key)) {
        Some(node) => test(node, expect, findings),
        None => None,
    };
    let or = |key, least, default, findings: &mut Findings<'_>| {
        span_or(&fields, key, least, Duration::from_secs(default), findings)
    };
    let interval = or("interval", LEAST_INTERVAL, 30, findings);
    let timeout = or("timeout", A_MILLISECOND, 30, findings);
    let start_period = or("start_period", Duration::ZERO, 0, findings);
    let start_interval = or("start_interval", LEAST_INTERVAL, 5, findings);
    let retries = fields.get("retries").and_then(|n| count(n, findings));
    Some(HealthCheck {
        test: test?,
        interval,
        timeout,
        retries: retries.unwrap_or(3),
        start_period,
        start_interval,
    })
}

fn test(
    node: &Node<'_>,
    expect: Option<RangeInclusive<u16>>,
    findings: &mut Findings<'_>,
) -> Option<HealthTest> {
    match node.key.name {
        "http" => {
            let text = node.string(findings)?;
            match http(text) {
                Ok((port, path)) => Some(HealthTest::Http {
                    port,
                    path,
                    expect: expect.unwrap_or(EXPECTED),
                }),
                Err(message) => {
                    node.error(findings, message);
                    None
                }
            }
        }
        "tcp" => {
            let text = node.string_or_number(findings)?;
            let port = port(&text);
            if port.is_none() {
                let last = text.rsplit(':').next().and_then(self::port);
                node.error(
                    findings,
                    format!(
                        "{} is no port from 1 to 65535; write tcp = {}",
                        quoted(&text),
                        last.unwrap_or(6379)
                    ),
                );
            }
            port.map(|port| HealthTest::Tcp { port })
        }
        "file" => {
            let text = node.string(findings)?;
            node.parsed(findings, text, absolute(text))
                .map(HealthTest::File)
        }
        _ => command(node, findings),
    }
}

/// Compose's `test`: text for a shell, or a list that says what it is.
fn command(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<HealthTest> {
    if let DeValue::String(_) = node.value {
        let line = node.string(findings)?;
        if line.trim().is_empty() {
            node.refuse(findings, "is empty");
            return None;
        }
        if let Some((word @ ("CMD" | "CMD-SHELL"), rest)) = line.trim().split_once(' ') {
            node.error(
                findings,
                format!(
                    "{word} begins a list; write test = {}, which is for a shell",
                    quoted(rest.trim())
                ),
            );
            return None;
        }
        return Some(HealthTest::Shell(line.to_owned()));
    }
    if !node.value.is_array() {
        node.wrong_type(findings, "text for a shell, or a list");
        return None;
    }
    let words = node.strings(findings)?;
    match words.split_first() {
        Some((first, [])) if first == "NONE" => None,
        Some((first, [program, ..])) if first == "CMD" && !program.is_empty() => {
            Some(HealthTest::Exec(words.into_iter().skip(1).collect()))
        }
        Some((first, [line])) if first == "CMD-SHELL" && !line.trim().is_empty() => {
            Some(HealthTest::Shell(line.clone()))
        }
        Some((first, _)) if ["NONE", "CMD"].contains(&first.as_str()) => {
            node.refuse(findings, &format!("{} alone is no test", quoted(first)));
            None
        }
        Some((first, _)) if first == "CMD-SHELL" => {
            node.error(
                findings,
                "CMD-SHELL takes one text; write test = [\"CMD-SHELL\", \"command line\"]",
            );
            None
        }
        Some((first, _)) if first.starts_with("http:") => {
            node.error(
                findings,
                format!(
                    "is no program; write http = {} instead of test",
                    quoted(first)
                ),
            );
            None
        }
        Some((first, _)) => {
            node.error(
                findings,
                format!("does not begin with what it is; write test = [\"CMD\", {}, …] for a program, or \"CMD-SHELL\" and a line for a shell", quoted(first)),
            );
            None
        }
        None => {
            node.refuse(findings, "is empty");
            None
        }
    }
}

/// `http://localhost:80/health` or `:80/health`: the port and the path.
fn http(text: &str) -> Result<(u16, String), String> {
    let bad = |what: &str| format!("{} {what}", quoted(text));
    if let Some(rest) = text.strip_prefix("https://") {
        let port = rest.split(['/', ':']).nth(1).and_then(port).unwrap_or(443);
        return Err(bad(&format!(
            "is encrypted, which no check here is; write tcp = {port} instead, or a port without TLS"
        )));
    }
    let rest = text.strip_prefix("http://").unwrap_or(text);
    let (authority, path) = rest
        .find('/')
        .and_then(|at| rest.split_at_checked(at))
        .unwrap_or((rest, "/"));
    let (host, number) = match authority.rsplit_once(':') {
        Some((host, number)) => (host, Some(number)),
        None => (authority, None),
    };
    let here = matches!(host, "localhost" | "127.0.0.1") || host.is_empty() && number.is_some();
    if !here {
        return Err(bad(&format!(
            "is not in the container, which is what is asked; write \":{}{}\"",
            number.and_then(port).unwrap_or(80),
            shown(path)
        )));
    }
    let Some(port) = number.map_or(Some(80), port) else {
        return Err(bad("has no port from 1 to 65535; write \":80/\""));
    };
    // What would end the request line, or belong to the browser.
    let plain = |b: u8| b.is_ascii_graphic() && b != b'#';
    if path.len() > LONGEST_PATH || !path.bytes().all(plain) {
        return Err(bad(
            "has a path that no request can have; write at most 1024 letters of ASCII without blanks and #",
        ));
    }
    Ok((port, path.to_owned()))
}

fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// `204` or `200-399`.
fn expect(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<RangeInclusive<u16>> {
    let text = node.string_or_number(findings)?;
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let status = |text: &str| port(text).filter(|status| (100..=599).contains(status));
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Some(first..=last),
        _ => {
            node.refuse(
                findings,
                &format!("{} is no status from 100 to 599", quoted(&text)),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_http_asks() {
        for (text, port, path) in [
            (
                "http://localhost:8080/health?full=1",
                8080,
                "/health?full=1",
            ),
            ("http://127.0.0.1/", 80, "/"),
            ("http://localhost", 80, "/"),
            (":80", 80, "/"),
            (":3000/ready", 3000, "/ready"),
            ("localhost:81/a:b", 81, "/a:b"),
        ] {
            assert_eq!(http(text), Ok((port, path.to_owned())), "{text}");
        }
        for (text, says) in [
            ("", "write \":80/\""),
            ("/health", "write \":80/health\""),
            ("http://example.org:81/x", "write \":81/x\""),
            ("https://localhost:8443/", "write tcp = 8443"),
            ("https://localhost/", "write tcp = 443"),
            (":0/", "no port"),
            (":80/a b", "ASCII"),
            (":80/\r\nHost: x", "ASCII"),
            (":80/#top", "ASCII"),
            ("[::1]:80/", "not in the container"),
            ("user@localhost:80/", "not in the container"),
        ] {
            let said = http(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
