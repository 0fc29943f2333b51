//! Cron expressions as crontab(5) has them, in UTC: five fields, or a nickname such as `@daily`.
//!
//! A set of times, held as bits. Evaluated here rather than by a crate, which would be 45 KB of PID 1
//! (docs/adr/0008); the tests hold it against one.

mod calendar;
mod field;

use calendar::Date;
use field::{Field, Set};

/// In which order fields are written, and what each may be.
const MINUTE: Field = Field::new("minute", 0, 59, &[]);
const HOUR: Field = Field::new("hour", 0, 23, &[]);
const DAY: Field = Field::new("day of the month", 1, 31, &[]);
const MONTH: Field = Field::new(
    "month",
    1,
    12,
    &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
);
/// 7 is Sunday too.
const WEEKDAY: Field = Field::new(
    "day of the week",
    0,
    7,
    &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
);

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

/// 29 February falls on the same day of the week after 28 years, or 40 across a century that has
/// none: what is not due for so long never is.
const LONGEST_GAP: u64 = 40;

/// The times that a cron expression names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both days are restricted, and either will do.
    either_day: bool,
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
            return Err(field::no_nickname(text, NICKNAMES.map(|(name, _)| name)));
        }
        let fields: Vec<&str> = expression.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(field::wrong_count(text, fields.len()));
        };
        let days = DAY.parse(day)?;
        let Set { bits, starred } = WEEKDAY.parse(weekday)?;
        let cron = Self {
            minutes: MINUTE.parse(minute)?.bits,
            hours: HOUR.parse(hour)?.bits,
            days: days.bits,
            months: MONTH.parse(month)?.bits,
            weekdays: bits | bits >> 7,
            // "If both fields are restricted (i.e., don't start with *)", crontab(5).
            either_day: !days.starred && !starred,
        };
        match cron.next(0) {
            Some(_) => Ok(cron),
            None => Err(field::never_due(text)),
        }
    }

    /// The first time later than `after` that it names, both in seconds since 1970 UTC.
    #[must_use]
    pub fn next(&self, after: u64) -> Option<u64> {
        let first = after / 60 + 1;
        let mut from = first % 1440;
        let mut date = Date::of(first / 1440);
        let last_year = date.year + LONGEST_GAP;
        while date.year <= last_year {
            if self.months >> date.month & 1 == 0 {
                date = date.next_month();
            } else if self.on_day(&date)
                && let Some(minute) = self.minute_from(from)
            {
                return (date.number * 1440 + minute).checked_mul(60);
            } else {
                date = date.next_day();
            }
            from = 0;
        }
        None
    }

    fn on_day(&self, date: &Date) -> bool {
        let day = self.days >> date.day & 1 == 1;
        let weekday = self.weekdays >> date.weekday() & 1 == 1;
        match self.either_day {
            true => day || weekday,
            false => day && weekday,
        }
    }

    /// The first minute of a day, from this one on.
    fn minute_from(&self, from: u64) -> Option<u64> {
        (from / 60..24).find_map(|hour| {
            let past = if hour == from / 60 { from % 60 } else { 0 };
            let minutes = self.minutes >> past << past;
            let due = self.hours >> hour & 1 == 1 && minutes != 0;
            due.then(|| hour * 60 + u64::from(minutes.trailing_zeros()))
        })
    }
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
            ("", "has 0 fields"),
            ("0 3 * *", "has 4 fields"),
            ("0 0 3 * * *", "seconds"),
            ("60 3 * * *", "\"60\" is no minute"),
            ("0 24 * * *", "\"24\" is no hour"),
            ("0 0 0 * *", "\"0\" is no day of the month"),
            ("0 0 * 13 *", "\"13\" is no month"),
            ("0 0 * * 8", "\"8\" is no day of the week"),
            ("0 0 * * mnday", "\"mnday\" is no day of the week"),
            ("0 0 * janury *", "\"janury\" is no month"),
            ("5-1 * * * *", "\"5-1\" goes backwards"),
            ("*/0 * * * *", "\"*/0\""),
            ("*/60 * * * *", "\"*/60\""),
            ("5/10 * * * *", "write 5-59/10"),
            ("1,,2 * * * *", "\"\" is no minute"),
            ("0 0 L * *", "\"l\" is no day of the month"),
            ("0 0 30 2 *", "never"),
            ("@reboot", "starts at the boot"),
            ("@dayly", "@daily"),
            ("+1 * * * *", "\"+1\" is no minute"),
            ("-1 * * * *", "no minute"),
        ] {
            let said = Cron::parse(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
