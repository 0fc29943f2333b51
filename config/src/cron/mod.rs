//! Cron expressions as crontab(5) has them, in UTC: five fields, or a nickname such as `@daily`.
//!
//! The crate `croner` reads and evaluates them; here they get the sentences that say which field is
//! wrong, and crontab(5)'s rule for two restricted days.

mod sentence;

use std::fmt;

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};

/// crontab(5)'s nicknames, but for `@reboot`.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The times that a cron expression names.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron(Box<croner::Cron>);

impl fmt::Debug for Cron {
    /// The expression: croner's own shows each of 5,000 years.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron")
            .field(&self.0.pattern.to_string())
            .finish()
    }
}

impl Cron {
    /// Reads `0 3 * * *` or `@daily`.
    ///
    /// # Errors
    /// A sentence fragment that says which field is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let nickname = NICKNAMES.iter().find(|(name, _)| *name == lower.trim());
        let expression = nickname.map_or(lower.as_str(), |(_, expression)| expression);
        if expression.trim_start().starts_with('@') {
            return Err(sentence::no_nickname(text, NICKNAMES.map(|(name, _)| name)));
        }
        let fields: Vec<&str> = expression.split_ascii_whitespace().collect();
        let fields: [&str; 5] = fields
            .try_into()
            .map_err(|fields: Vec<&str>| sentence::wrong_count(text, &fields, &NICKNAMES))?;
        let Some(cron) = read(fields) else {
            return Err(sentence::wrong_field(text, fields));
        };
        let cron = Self(Box::new(cron));
        match cron.next(0) {
            Some(_) => Ok(cron),
            None => Err(sentence::never_due(text)),
        }
    }

    /// The first time later than `after` that it names, both in seconds since 1970 UTC.
    #[must_use]
    pub fn next(&self, after: u64) -> Option<u64> {
        let after = DateTime::<Utc>::from_timestamp(i64::try_from(after).ok()?, 0)?;
        let next = self.0.find_next_occurrence(&after, false).ok()?;
        u64::try_from(next.timestamp()).ok()
    }
}

/// The five fields, read by croner.
fn read(fields: [&str; 5]) -> Option<croner::Cron> {
    // croner passes over an empty part of a list.
    let mut parts = fields.iter().flat_map(|field| field.split(','));
    if parts.any(str::is_empty) {
        return None;
    }
    let [_, _, day, _, weekday] = fields;
    // "If both fields are restricted (i.e., don't start with *)", either day will do, crontab(5);
    // croner takes nothing but a lone star for no restriction, unless told that both must hold.
    let both_days = day.starts_with('*') || weekday.starts_with('*');
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .dom_and_dow(both_days)
        .build()
        .parse(&fields.join(" "))
        .ok()
}
#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14 22:13:20 UTC, a Tuesday.
    const NOW: u64 = 1_700_000_000;
    const DAY_OF_NOW: u64 = NOW - NOW % 86_400;

    fn next(text: &str) -> u64 {
        Cron::parse(text).unwrap().next(NOW).unwrap()
    }

    #[test]
    fn what_people_write() {
        assert_eq!(next("0 3 * * *"), DAY_OF_NOW + 27 * 3600);
        assert_eq!(next("*/15 * * * *"), DAY_OF_NOW + 22 * 3600 + 15 * 60);
        assert_eq!(next("@hourly"), DAY_OF_NOW + 23 * 3600);
        assert_eq!(next("@daily"), DAY_OF_NOW + 86_400);
        assert_eq!(next("@midnight"), next("@daily"));
        // Wednesday is tomorrow; Sunday is in five days, however it is called.
        assert_eq!(next("0 0 * * mon,Wed"), DAY_OF_NOW + 86_400);
        for sunday in ["0", "7", "SUN", "6-7"] {
            let found = next(&format!("0 12 * * {sunday}"));
            let wanted = if sunday == "6-7" { 4 } else { 5 };
            assert_eq!(found, DAY_OF_NOW + wanted * 86_400 + 12 * 3600, "{sunday}");
        }
        // 2024 has a 29 February.
        assert_eq!(next("0 0 29 feb *"), 1_709_164_800);
        assert_eq!(next("@yearly"), 1_704_067_200);
    }

    #[test]
    fn a_time_is_not_its_own_next_one() {
        let cron = Cron::parse("0 3 * * *").unwrap();
        let first = cron.next(NOW).unwrap();
        assert_eq!(cron.next(first), Some(first + 86_400));
        assert_eq!(cron.next(first - 1), Some(first));
        assert_eq!(cron.next(0), Some(3 * 3600));
        assert_eq!(cron.next(u64::MAX), None);
    }

    #[test]
    fn either_day_when_both_are_restricted() {
        // Friday the 17th, Monday the 20th.
        assert_eq!(next("0 0 20 * fri"), DAY_OF_NOW + 3 * 86_400);
        // A field that starts with * is no restriction: both must be true (crontab(5)).
        assert_eq!(next("0 0 */20 * fri"), 1_701_388_800);
    }

    #[test]
    fn what_is_none() {
        for (text, says) in [
            ("", "is no cron expression"),
            ("daily", "write \"@daily\""),
            ("1h", "write \"every 1h\""),
            ("TZ=UTC 0 3 * * *", "in UTC"),
            ("0 3 * * * /bin/true", "a command"),
            ("0 3 * *", "has 4 fields"),
            ("0 0 3 * * *", "seconds"),
            ("60 3 * * *", "\"60\" is no minute"),
            ("0 24 * * *", "\"24\" is no hour"),
            ("0 0 0 * *", "\"0\" is no day of the month"),
            ("0 0 * 13 *", "\"13\" is no month"),
            ("0 0 * * 8", "\"8\" is no day of the week"),
            ("0 0 * * mnday", "\"mnday\" is no day of the week"),
            ("0 0 * janury *", "\"janury\" is no month"),
            (
                "5-1 * * * *",
                "\"5-1\" is no minute; write a range within 0-59",
            ),
            ("*/0 * * * *", "\"*/0\""),
            ("5/10 * * * *", "write a step with a range"),
            ("1,,2 * * * *", "\"\" is no minute"),
            ("0 0 30 2 *", "never"),
            ("@reboot", "starts at the boot"),
            ("@dayly", "@daily"),
            ("+1 * * * *", "\"+1\" is no minute"),
            ("-1 * * * *", "\"-1\" is no minute"),
        ] {
            let said = Cron::parse(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
