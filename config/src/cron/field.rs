//! One field of a cron expression: `*`, `5`, `1-5`, `mon-fri`, `*/15`, `10-50/5`, and lists of these.

use crate::nearest::nearest;
use crate::tree::{quoted, shown};

/// What may stand in a field.
#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    first: u64,
    last: u64,
    /// Names of the values, from `first` on.
    names: &'static [&'static str],
}

/// What a field says.
#[derive(Debug)]
pub(super) struct Set {
    /// Bit n is value n.
    pub(super) bits: u64,
    /// Whether it starts with `*`.
    pub(super) starred: bool,
}

impl Field {
    pub(super) const fn new(
        name: &'static str,
        first: u64,
        last: u64,
        names: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            first,
            last,
            names,
        }
    }

    pub(super) fn parse(&self, text: &str) -> Result<Set, String> {
        let mut bits = 0;
        for part in text.split(',') {
            bits |= self.part(part)?;
        }
        Ok(Set {
            bits,
            starred: text.starts_with('*'),
        })
    }

    fn part(&self, part: &str) -> Result<u64, String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            None => (self.value(range)?, self.value(range)?),
        };
        // A range that ends with Sunday by its name: the one at the end of the week.
        let last = match range.ends_with("-sun") {
            true => self.last,
            false => last,
        };
        if first > last {
            return Err(format!(
                "{} goes backwards; write {first}-{},{}-{last}",
                quoted(part),
                self.last,
                self.first
            ));
        }
        let Some(step) = step else {
            return Ok(bits(first, last, 1));
        };
        let span = last - first;
        match number(step) {
            Some(step) if range != "*" && !range.contains('-') => Err(format!(
                "{} has a step without a range; write {first}-{}/{step}",
                quoted(part),
                self.last
            )),
            Some(step) if (1..=span).contains(&step) => Ok(bits(first, last, step)),
            _ => Err(format!(
                "{} has a step that is not 1 to {span}; write {first} for once, or */5",
                quoted(part)
            )),
        }
    }

    /// A number or a name.
    fn value(&self, text: &str) -> Result<u64, String> {
        let named = (self.first..).zip(self.names);
        let mut named = named.filter(|(_, name)| **name == text);
        let value = named.next().map(|(value, _)| value).or(number(text));
        match value.filter(|value| (self.first..=self.last).contains(value)) {
            Some(value) => Ok(value),
            None => Err(self.no_value(text)),
        }
    }

    fn no_value(&self, text: &str) -> String {
        let (name, first, last) = (self.name, self.first, self.last);
        let short: String = text.chars().take(3).collect();
        let mut names = self.names.iter();
        let near = match names.find(|name| **name == short) {
            Some(near) => Some(*near),
            None => nearest(text, self.names.iter().copied()),
        };
        let instead = near.map_or_else(|| format!("{first} to {last}"), str::to_owned);
        format!("{} is no {name}; write {instead}", quoted(text))
    }
}

/// Every `step`th bit from `first` to `last`.
fn bits(first: u64, last: u64, step: u64) -> u64 {
    let mut bits = 0;
    let mut value = first;
    while value <= last {
        bits |= 1 << value;
        value += step;
    }
    bits
}

/// Digits only, two at the most: no sign, no blank.
fn number(text: &str) -> Option<u64> {
    let digits = matches!(text.len(), 1..=2) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

pub(super) fn wrong_count(text: &str, count: usize) -> String {
    let text = quoted(text);
    match count {
        6 | 7 => format!(
            "{text} has {count} fields, but seconds and years are none of cron's; write minute, hour, day, month and weekday: \"0 3 * * *\""
        ),
        _ => format!(
            "{text} has {count} fields; write minute, hour, day, month and weekday: \"0 3 * * *\""
        ),
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
