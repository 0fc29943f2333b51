//! Decimal numbers without floating point.

/// `"0.5"` → 500. At most three digits behind the point, at most a million in front.
pub(crate) fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let fraction = match fraction.trim_end_matches('0') {
        "" if digits(fraction) => "0",
        trimmed => trimmed,
    };
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 || whole.len() > 7 {
        return None;
    }
    let scale = 10u64.checked_pow(3u32.checked_sub(u32::try_from(fraction.len()).ok()?)?)?;
    Some(whole.parse::<u64>().ok()? * 1000 + fraction.parse::<u64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_thousandths() {
        for (text, value) in [
            ("0.5", 500),
            ("2", 2000),
            ("1.25", 1250),
            ("0.001", 1),
            ("1.500000", 1500),
            ("3.0", 3000),
        ] {
            assert_eq!(thousandths(text), Some(value), "{text}");
        }
        for text in [
            "", ".", ".5", "1.", "-1", "1e3", "0.0001", "nan", "+1", "99999999", "1.2.3",
        ] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
