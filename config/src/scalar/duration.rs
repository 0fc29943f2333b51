//! Durations as Compose writes them: `1m30s`, `500ms`, `1h`.

use std::time::Duration;

use super::decimal::thousandths;

/// The longest duration a manifest may have.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads one or more of `<number><us|ms|s|m|h>`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
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
            _ => return Err("is no duration".to_owned()),
        };
        let parts = thousandths(number).ok_or("is no duration")?;
        let micros = parts.checked_mul(micros_each).ok_or("is too long")? / 1000;
        total = total.saturating_add(Duration::from_micros(micros));
        rest = next;
    }
    if total > LONGEST {
        return Err("is longer than a day".to_owned());
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
    fn what_is_none() {
        for text in [
            "", "10", "s", "1d", "-1s", "1 s", "1m30", "25h", "1s s", "9999999h", "ä",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
