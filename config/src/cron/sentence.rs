//! What is wrong with a cron expression, and what to write instead.

use super::read;
use crate::nearest::nearest;
use crate::scalar::long_duration;
use crate::tree::{quoted, shown};

/// What may stand in a field.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    names: &'static [&'static str],
}

/// In the order in which they are written.
const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        first: 0,
        last: 59,
        names: &[],
    },
    Field {
        name: "hour",
        first: 0,
        last: 23,
        names: &[],
    },
    Field {
        name: "day of the month",
        first: 1,
        last: 31,
        names: &[],
    },
    Field {
        name: "month",
        first: 1,
        last: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of the week",
        first: 0,
        last: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

/// Names the first part of the first field that cannot be read with all others at `*`.
pub(super) fn wrong_field(text: &str, fields: [&str; 5]) -> String {
    for (at, (field, written)) in FIELDS.iter().zip(fields).enumerate() {
        for part in written.split(',') {
            let mut alone = ["*"; 5];
            if let Some(place) = alone.get_mut(at) {
                *place = part;
            }
            if read(alone).is_none() {
                return field.no_value(part);
            }
        }
    }
    format!(
        "{} is no cron expression; write minute, hour, day, month and weekday: \"0 3 * * *\"",
        quoted(text)
    )
}

impl Field {
    fn no_value(&self, part: &str) -> String {
        let Self {
            name, first, last, ..
        } = self;
        let short: String = part.chars().take(3).collect();
        let mut names = self.names.iter();
        let near = match names.find(|name| **name == short) {
            Some(near) => Some(*near),
            None => nearest(part, self.names.iter().copied()),
        };
        let instead = match near {
            Some(near) => near.to_owned(),
            None if part.contains('/') => {
                format!("a step with a range, such as */5 or {first}-{last}/5")
            }
            None if part.contains('-') => format!("a range within {first}-{last}"),
            None => format!("{first} to {last}"),
        };
        format!("{} is no {name}; write {instead}", quoted(part))
    }
}

/// What is no five fields: often words of another system. `fields` are in lower case.
pub(super) fn wrong_count(text: &str, fields: &[&str], nicknames: &[(&str, &str)]) -> String {
    const FIVE: &str = "write minute, hour, day, month and weekday: \"0 3 * * *\"";
    let [first, .., last] = fields else {
        let lower = text.trim().to_ascii_lowercase();
        let nickname = nicknames
            .iter()
            .find(|(name, _)| name.get(1..) == Some(&lower));
        return match nickname {
            Some((name, _)) => format!("{} has no @; write \"{name}\"", quoted(text)),
            None if long_duration(&lower).is_ok() => {
                format!("{} is a duration; write \"every {lower}\"", quoted(text))
            }
            None => format!("{} is no cron expression; {FIVE}", quoted(text)),
        };
    };
    let count = fields.len();
    let text = quoted(text);
    if first.contains("tz=") {
        format!("{text} names a time zone, but all times are in UTC; {FIVE}")
    } else if count > 5 && last.starts_with('/') {
        format!("{text} ends with a command, which is for the key command; {FIVE}")
    } else if matches!(count, 6 | 7) {
        format!("{text} has {count} fields, but seconds and years are none of cron's; {FIVE}")
    } else {
        format!("{text} has {count} fields; {FIVE}")
    }
}

pub(super) fn no_nickname<const N: usize>(text: &str, known: [&str; N]) -> String {
    let lower = text.trim().to_ascii_lowercase();
    if lower == "@reboot" {
        return "what has no schedule starts at the boot; remove it".to_owned();
    }
    if let Some(interval) = lower.strip_prefix("@every ") {
        return format!(
            "{} is Go's; write \"every {}\"",
            quoted(text),
            shown(interval)
        );
    }
    match nearest(&lower, known) {
        Some(near) => format!("{} is not known; write \"{near}\"", quoted(text)),
        None => format!(
            "{} is not known; write one of {}",
            quoted(text),
            known.join(", ")
        ),
    }
}

pub(super) fn never_due(text: &str) -> String {
    format!(
        "{} is never due, as no such day exists; write another day or month",
        quoted(text)
    )
}
