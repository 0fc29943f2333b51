//! Durations as Compose writes them: `1m30s`, `500ms`, `1h`.

use std::time::Duration;

use super::decimal::thousandths;

/// A day, the longest that a service is waited for.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A year, the longest between two runs of a service.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads one or more of `<number><us|ms|s|m|h>`, a day at the most.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match parse(text, false)? {
        total if total > DAY => Err("is longer than a day".to_owned()),
        total => Ok(total),
    }
}

/// The same with `d` for days, a year at the most.
pub(crate) fn long_duration(text: &str) -> Result<Duration, String> {
    match parse(text, true)? {
        total if total > YEAR => Err("is longer than a year".to_owned()),
        total => Ok(total),
    }
}

fn parse(text: &str, days: bool) -> Result<Duration, String> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err("has no unit".to_owned());
    }
    while !rest.is_empty() || total.is_zero() && rest.len() == text.len() {
        let number_ends = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(number_ends).unwrap_or(("", ""));
        let unit_ends = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_ends).unwrap_or(("", ""));
        let micros_each: u64 = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" if days => 86_400_000_000,
            "d" => return Err("counts days, but hours are the longest unit".to_owned()),
            _ => return Err("is no duration".to_owned()),
        };
        let parts = thousandths(number).ok_or("is no duration")?;
        let micros = parts.checked_mul(micros_each).ok_or("is too long")? / 1000;
        total = total.saturating_add(Duration::from_micros(micros));
        rest = next;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_compose_writes_them() {
        for (text, millis) in [
            ("1m30s", 90_000),
            ("10s", 10_000),
            ("500ms", 500),
            ("1h", 3_600_000),
            ("1.5s", 1_500),
            ("0s", 0),
            ("24h", 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn longer_ones_have_days() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3600));
        assert_eq!(long_duration("7d"), hours(7 * 24));
        assert_eq!(long_duration("1d12h"), hours(36));
        assert_eq!(long_duration("25h"), hours(25));
        assert_eq!(long_duration("365d"), hours(365 * 24));
        for text in ["366d", "d", "9999999d9999999d", "1w"] {
            assert!(long_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "", "10", "s", "1d", "-1s", "1 s", "1m30", "25h", "1s s", "9999999h", "ä",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
