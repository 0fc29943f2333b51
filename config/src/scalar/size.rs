//! Sizes as Compose and Docker write them: `512m`, `1.5g`, `64KiB`; a unit is a power of 1024.

use super::decimal::thousandths;

/// Reads a size in bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let unit_starts = lower
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at_checked(unit_starts)?;
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    // A plain number of bytes may have more digits than one with a unit.
    let number = number.trim_end();
    if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        return number.parse::<u64>().ok()?.checked_mul(1 << shift);
    }
    let parts = thousandths(number)?;
    (shift > 0).then_some(())?;
    Some(parts.checked_mul(1 << shift)? / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_docker_writes_them() {
        let cases = [
            ("512m", 512 << 20),
            ("1g", 1 << 30),
            ("64KiB", 64 << 10),
            ("100", 100),
            ("100b", 100),
            ("1.5g", 3 << 29),
            ("17179869184", 1 << 34),
            ("2 mb", 2 << 20),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "m",
            "-1",
            "512q",
            "1.5",
            "1e3",
            "999999999999999999999",
            "99999999999t",
            "1.5.5g",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
