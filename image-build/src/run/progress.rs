//! What `orlop run` says on stdout: JSON lines for programs, short lines for people.

use std::io::Write;

use serde_json::{Value, json};

/// How happenings are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// One JSON object a line.
    Json,
    /// One short line each.
    Lines,
    /// Nothing: the terminal is the machine's console.
    Silent,
}

impl Progress {
    /// Tells one event: the guest's as they came, the tool's own `ready`, `note` and `exit`.
    pub(super) fn tell(self, event: &Value) {
        let line = match self {
            Progress::Json => event.to_string(),
            Progress::Lines => match sentence(event) {
                Some(line) => line,
                None => return,
            },
            Progress::Silent => return,
        };
        // Whoever started us may have closed our stdout; the machine runs on all the same.
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// Tells what the tool does on its own account.
    pub(super) fn note(self, text: &str) {
        self.tell(&json!({"event": "note", "text": text}));
    }
}

/// An event as a line for a person; none for events that say nothing to one.
fn sentence(event: &Value) -> Option<String> {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    let number = |key: &str| event.get(key).and_then(Value::as_f64).map(f64::round);
    Some(match text("event")? {
        "stage" => {
            let (stage, elapsed) = (text("stage")?, number("elapsed_ms")?);
            match text("degraded") {
                None => format!("stage {stage}: {elapsed} ms"),
                Some(reason) => format!("stage {stage}: {elapsed} ms, degraded: {reason}"),
            }
        }
        "service" => {
            let (service, state) = (text("service")?, text("state")?);
            match text("cause").filter(|cause| !cause.is_empty()) {
                None => format!("{service}: {state}"),
                Some(cause) => format!("{service}: {state} ({cause})"),
            }
        }
        "network" => format!("{}: {}", text("link")?, text("address")?),
        "boot-complete" => format!("boot complete after {} ms", number("uptime_ms")?),
        "shutdown" => format!("shutdown: {}", text("kind")?),
        "emergency" => format!("emergency: {}", text("reason")?),
        "note" => text("text")?.to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_to_people() {
        let say = |event| sentence(&event);
        assert_eq!(
            say(json!({"event":"stage","stage":"storage","elapsed_ms":12.4,"degraded":null})),
            Some("stage storage: 12 ms".to_owned())
        );
        assert_eq!(
            say(json!({"event":"service","service":"web","state":"up","cause":""})),
            Some("web: up".to_owned())
        );
        assert_eq!(say(json!({"event":"of a later version"})), None);
    }
}
