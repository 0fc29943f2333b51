//! What people read. Pure.

use crate::{Exit, Listing, Port, ServiceInfo, State, Verdict};

const HEADER: [&str; 7] = [
    "NAME",
    "IMAGE",
    "STATE",
    "RESTARTS",
    "PORTS",
    "ADDRESS",
    "ISOLATION",
];

/// What `ps` prints: the table of the services, as narrow as it can be (the starter's fits a serial
/// line's 80 columns), below it why services that should run do not, then what stands against the
/// machine.
#[must_use]
pub fn listing(listing: &Listing) -> String {
    let mut text = services(&listing.services);
    for notice in &listing.notices {
        text.push_str(&format!("machine: {}\n", escape(notice)));
    }
    text
}

fn services(list: &[ServiceInfo]) -> String {
    let rows: Vec<[String; 7]> = list.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(HEADER.get(column).map_or(0, |title| title.len()))
    };
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let mut text = line(&HEADER.map(str::to_owned), &widths);
    for row in &rows {
        text.push_str(&line(row, &widths));
    }
    for service in list {
        if let Some(why) = why(service).filter(|why| !why.is_empty()) {
            text.push_str(&clip(&escape(&format!("{}: {why}", service.name))));
            text.push('\n');
        }
    }
    text
}

/// Why a service is not as it should be.
fn why(service: &ServiceInfo) -> Option<&str> {
    let unhealthy = || {
        let health = service.health.as_ref()?;
        (health.verdict == Verdict::Unhealthy).then_some(health.output.trim())
    };
    match service.state {
        State::Waiting | State::BackingOff | State::Failed => Some(&service.cause),
        // What a service that takes its time says of itself.
        State::Starting | State::Stopping => service.status_text.as_deref(),
        State::Up => unhealthy(),
        State::Down => None,
    }
}

/// A failed probe may say 4 KiB, which `--json` has whole; here a reason fills some lines, not the
/// screen.
fn clip(shown: &str) -> String {
    const MOST: usize = 300;
    match shown.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown.to_owned(),
    }
}

fn line(cells: &[String; 7], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths);
    let text: String = padded
        .map(|(cell, width)| format!("{cell:width$}  "))
        .collect();
    format!("{}\n", text.trim_end())
}

fn row(service: &ServiceInfo) -> [String; 7] {
    let ports: Vec<String> = service.ports.iter().map(port).collect();
    let cells = [
        service.name.clone(),
        service.image.clone(),
        state(service),
        service.restarts.to_string(),
        ports.join(", "),
        service.address.map(|a| a.to_string()).unwrap_or_default(),
        service.isolation.clone(),
    ];
    cells.map(|cell| {
        if cell.is_empty() {
            "-".to_owned()
        } else {
            escape(&cell)
        }
    })
}

fn state(service: &ServiceInfo) -> String {
    let since = duration(service.since_ms);
    let name = service.state.name();
    let ended = match service.last_exit {
        Some(Exit::Code(code)) => format!(" (exit {code})"),
        Some(Exit::Signal(signal)) => format!(" (signal {signal})"),
        None => String::new(),
    };
    match service.state {
        State::Up => format!("{name} {since}{}", health(service)),
        State::Waiting | State::Starting | State::Stopping => format!("{name} {since}"),
        State::BackingOff | State::Down | State::Failed => {
            format!("{name} {since}{ended}{}", next_run(service))
        }
    }
}

/// As `docker ps` has it.
fn health(service: &ServiceInfo) -> &'static str {
    match service.health.as_ref().map(|health| health.verdict) {
        Some(Verdict::Starting) => " (health: starting)",
        Some(Verdict::Healthy) => " (healthy)",
        Some(Verdict::Unhealthy) => " (unhealthy)",
        None => "",
    }
}

fn next_run(service: &ServiceInfo) -> String {
    let next = service.next_run_in_ms.map(duration);
    next.map_or_else(String::new, |next| format!(", next in {next}"))
}

fn port(port: &Port) -> String {
    let address = port.host_ip.map(|ip| format!("{ip}:")).unwrap_or_default();
    let (published, target) = (port.published, port.target);
    let protocol = match port.protocol.as_str() {
        "tcp" => String::new(),
        other => format!("/{other}"),
    };
    format!("{address}{published}->{target}{protocol}")
}

/// A duration in its two largest units: `12s`, `3m 4s`, `2h 5m`, `4d 3h`.
#[must_use]
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d {}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m {}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// A container's text without what a terminal would obey: control characters but the tab are shown
/// as `\u{1b}`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() && letter != '\t' {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HealthInfo;
    use std::net::Ipv4Addr;

    fn service(name: &str, state: State) -> ServiceInfo {
        ServiceInfo {
            name: name.to_owned(),
            image: name.to_owned(),
            state,
            since_ms: 184_500,
            cause: "exited with code 1".to_owned(),
            pid: None,
            restarts: 2,
            last_exit: Some(Exit::Code(1)),
            ports: vec![],
            address: None,
            isolation: "restricted".to_owned(),
            health: None,
            status_text: None,
            next_run_in_ms: None,
            last_exits: Vec::new(),
            oom_kills: 0,
            replica_of: None,
        }
    }

    #[test]
    fn the_table() {
        let mut web = service("web", State::Up);
        web.address = Some(Ipv4Addr::new(172, 29, 0, 2));
        let port = |host_ip, published, target, protocol: &str| Port {
            host_ip,
            published,
            target,
            protocol: protocol.to_owned(),
        };
        web.ports = vec![
            port(None, 8080, 80, "tcp"),
            port(Some(Ipv4Addr::LOCALHOST), 1, 2, "udp"),
        ];
        let text = services(&[web, service("database", State::BackingOff)]);
        let expected = "\
NAME       IMAGE      STATE                       RESTARTS   PORTS                              ADDRESS      ISOLATION
web        web        up 3m 4s                    2          8080->80, 127.0.0.1:1->2/udp   172.29.0.2   restricted
database   database   backing-off 3m 4s (exit 1)  2          -                                  -            restricted
database: exited with code 1
";
        let squeezed = |text: &str| {
            let words = text
                .lines()
                .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
            words.collect::<Vec<_>>()
        };
        assert_eq!(squeezed(&text), squeezed(expected));
        let column = |line: &str| line.rfind("  ");
        let mut lines = text.lines();
        let first = column(lines.next().unwrap());
        assert_eq!(column(lines.next().unwrap()), first);
        assert_eq!(column(lines.next().unwrap()), first);
    }

    #[test]
    fn health_and_the_next_run_are_part_of_the_state() {
        let health = |verdict| {
            Some(HealthInfo {
                verdict,
                failing_streak: 3,
                output: "connection refused\n".to_owned(),
            })
        };
        let mut web = service("web", State::Up);
        web.health = health(Verdict::Healthy);
        assert_eq!(state(&web), "up 3m 4s (healthy)");
        assert_eq!(why(&web), None);
        web.health = health(Verdict::Unhealthy);
        assert_eq!(state(&web), "up 3m 4s (unhealthy)");
        assert_eq!(why(&web), Some("connection refused"));
        let mut job = service("job", State::Down);
        job.last_exit = Some(Exit::Code(0));
        job.next_run_in_ms = Some(61_000);
        assert_eq!(state(&job), "down 3m 4s (exit 0), next in 1m 1s");
        let mut slow = service("slow", State::Starting);
        slow.status_text = Some("replaying the log".to_owned());
        assert_eq!(why(&slow), Some("replaying the log"));
    }

    #[test]
    fn a_talkative_probe_does_not_flood_the_screen() {
        let said = "\u{1b}é".repeat(2048);
        let mut web = service("web", State::Up);
        web.health = Some(HealthInfo {
            verdict: Verdict::Unhealthy,
            failing_streak: 3,
            output: said.clone(),
        });
        let mut database = service("database", State::BackingOff);
        database.cause = format!("unhealthy: {said}");
        let text = services(&[web, database]);
        let reasons: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(reasons.len(), 2);
        for reason in reasons {
            assert_eq!(reason.chars().count(), 301, "{reason}");
            assert!(reason.ends_with('…'), "{reason}");
        }
        assert_eq!(clip(&"é".repeat(300)), "é".repeat(300));
    }

    #[test]
    fn what_stands_against_the_machine_comes_last() {
        let shown = listing(&Listing {
            services: vec![service("database", State::BackingOff)],
            notices: vec!["slot A\u{7}".to_owned(), "/state is read-only".to_owned()],
        });
        let last: Vec<&str> = shown.lines().skip(2).collect();
        let expected = [
            "database: exited with code 1",
            "machine: slot A\\u{7}",
            "machine: /state is read-only",
        ];
        assert_eq!(last, expected);
    }

    #[test]
    fn durations_in_two_units() {
        let cases = [
            (999, "0s"),
            (59_999, "59s"),
            (60_000, "1m 0s"),
            (7_500_000, "2h 5m"),
            (363_600_000, "4d 5h"),
        ];
        for (milliseconds, text) in cases {
            assert_eq!(duration(milliseconds), text);
        }
    }

    #[test]
    fn a_terminal_obeys_no_container() {
        assert_eq!(
            escape("a\tb\u{1b}[2Jc\u{9b}d\r é"),
            "a\tb\\u{1b}[2Jc\\u{9b}d\\r é"
        );
    }
}
