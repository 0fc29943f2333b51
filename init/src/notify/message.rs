//! What a service may say over its notify socket (sd_notify(3)). Pure.
//!
//! Whatever comes is bounded and read without trust: lines that are not known, or whose value is
//! not what it should be, are passed over, as systemd does. What systemd has beyond this (FDSTORE,
//! NOTIFYACCESS, MAINPIDFD, …) is passed over too.

use std::time::Duration;

use orlop_supervisor::Notice;

/// The longest message that is read (PIPE_BUF, as systemd's NOTIFY_BUFFER_MAX).
pub(super) const MOST_BYTES: usize = 4096;
/// The longest status text that is kept, in bytes.
const STATUS_BYTES: usize = 256;

/// The statements of one datagram, in their order. A `MainPid` is still as the sender counts it.
#[must_use]
pub(super) fn parse(bytes: &[u8]) -> Vec<Notice> {
    let mut notices = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n' || byte == 0) {
        let Some((key, value)) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once('='))
        else {
            continue;
        };
        let notice = match (key, value) {
            ("READY", "1") => Notice::Ready,
            ("RELOADING", "1") => Notice::Reloading,
            ("STOPPING", "1") => Notice::Stopping,
            ("WATCHDOG", "1") => Notice::WatchdogPing,
            ("WATCHDOG", "trigger") => Notice::WatchdogTrigger,
            ("STATUS", text) => Notice::Status(plain(text)),
            ("ERRNO", number) => match number.parse() {
                Ok(errno) => Notice::Errno(errno),
                Err(_) => continue,
            },
            ("MAINPID", number) => match number.parse() {
                Ok(pid) if pid > 0 => Notice::MainPid(pid),
                _ => continue,
            },
            ("WATCHDOG_USEC", number) => match micros(number) {
                Some(time) => Notice::WatchdogUsec(time),
                None => continue,
            },
            ("EXTEND_TIMEOUT_USEC", number) => match micros(number) {
                Some(time) => Notice::ExtendTimeout(time),
                None => continue,
            },
            _ => continue,
        };
        notices.push(notice);
    }
    notices
}

/// Whether the sender waits for its descriptor to be closed once all messages before this one were
/// acted upon (sd_notify_barrier(3)).
#[must_use]
pub(super) fn is_barrier(bytes: &[u8]) -> bool {
    bytes.strip_suffix(b"\n").unwrap_or(bytes) == b"BARRIER=1"
}

/// Not above a century: further than any deadline, and no sum of times overflows.
fn micros(number: &str) -> Option<Duration> {
    const MOST: u64 = 100 * 366 * 86_400 * 1_000_000;
    let micros: u64 = number.parse().ok()?;
    Some(Duration::from_micros(micros.min(MOST)))
}

/// Short, and nothing that a terminal would obey.
fn plain(text: &str) -> String {
    let end = text.floor_char_boundary(STATUS_BYTES);
    let text = text.get(..end).unwrap_or_default();
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_of_each_kind() {
        let text = b"READY=1\nRELOADING=1\nMONOTONIC_USEC=7\nSTOPPING=1\nSTATUS=Serving 3\tclients\n\
                     ERRNO=2\nMAINPID=12\nWATCHDOG=1\nWATCHDOG=trigger\nWATCHDOG_USEC=3000000\nEXTEND_TIMEOUT_USEC=500\n";
        let expected = [
            Notice::Ready,
            Notice::Reloading,
            Notice::Stopping,
            Notice::Status("Serving 3 clients".to_owned()),
            Notice::Errno(2),
            Notice::MainPid(12),
            Notice::WatchdogPing,
            Notice::WatchdogTrigger,
            Notice::WatchdogUsec(Duration::from_secs(3)),
            Notice::ExtendTimeout(Duration::from_micros(500)),
        ];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn edge_29_what_cannot_be_a_pid_is_passed_over() {
        for text in [
            "MAINPID=0",
            "MAINPID=-1",
            "MAINPID=",
            "MAINPID=1 ",
            "MAINPID=99999999999",
        ] {
            assert_eq!(parse(text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn what_is_not_meant_for_us_is_passed_over() {
        for text in [
            "FDSTORE=1\nFDNAME=x",
            "READY=2",
            "ready=1",
            "READY",
            "=1",
            "",
            "\u{0}",
            "STATUS",
            "ERRNO=-2",
            "ERRNO=70000",
        ] {
            assert_eq!(parse(text.as_bytes()), [], "{text}");
        }
        assert_eq!(parse(b"\xff\xfe=1\nREADY=1"), [Notice::Ready]);
        assert_eq!(parse(b"WATCHDOG_USEC=-1\nEXTEND_TIMEOUT_USEC=1e9"), []);
    }

    #[test]
    fn a_barrier_stands_alone() {
        assert!(is_barrier(b"BARRIER=1") && is_barrier(b"BARRIER=1\n"));
        assert!(!is_barrier(b"BARRIER=1\nREADY=1"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..MOST_BYTES)) {
            check(&bytes);
        }

        #[test]
        fn so_are_lines_that_look_right(lines in proptest::collection::vec(
            "(READY|STATUS|ERRNO|MAINPID|WATCHDOG|WATCHDOG_USEC|EXTEND_TIMEOUT_USEC|BARRIER)=.{0,600}", 0..9,
        )) {
            check(lines.join("\n").as_bytes());
        }
    }

    fn check(bytes: &[u8]) {
        let notices = parse(bytes);
        assert!(notices.len() <= bytes.len() / 3 + 1);
        for notice in notices {
            match notice {
                Notice::Status(text) => {
                    assert!(text.len() <= STATUS_BYTES, "{text:?}");
                    assert!(!text.contains(char::is_control), "{text:?}");
                }
                Notice::MainPid(pid) => assert!(pid > 0),
                Notice::WatchdogUsec(time) | Notice::ExtendTimeout(time) => {
                    assert!(time <= Duration::from_secs(100 * 366 * 86_400));
                }
                _ => {}
            }
        }
    }
}
