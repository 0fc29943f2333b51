//! Times on a line: where a tick is, what it says.

/// The steps between ticks, microseconds: 1, 2 and 5 of each power of ten.
fn steps() -> impl Iterator<Item = u64> {
    let powers = (0..10).map(|power| 10_u64.pow(power));
    powers.flat_map(|power| [1, 2, 5].map(|digit| digit * power))
}

/// At most `most` ticks behind the one at 0, in a length of microseconds: multiples of one step.
pub(super) fn ticks(length: u64, most: u64) -> Vec<u64> {
    let step = steps().find(|step| length / step <= most);
    let step = step.unwrap_or(length.max(1));
    (0..=length / step).map(|count| count * step).collect()
}

/// A tick's label: `0`, `50 ms`, `1.5 s`.
pub(super) fn label(time: u64) -> String {
    match time {
        0 => "0".to_owned(),
        1..1_000 => format!("{time} µs"),
        1_000..1_000_000 => format!("{} ms", time / 1000),
        _ => {
            let tenths = time / 100_000;
            let text = format!("{}.{}", tenths / 10, tenths % 10);
            format!("{} s", text.strip_suffix(".0").unwrap_or(&text))
        }
    }
}

/// How long something took, in three figures: `0.4 ms`, `12.4 ms`, `211 ms`, `1.56 s`.
pub(super) fn duration(time: u64) -> String {
    match time {
        0..100_000 => format!("{}.{} ms", time / 1000, time / 100 % 10),
        100_000..1_000_000 => format!("{} ms", time / 1000),
        _ => seconds(time),
    }
}

/// A moment: `1.56 s`.
pub(super) fn seconds(time: u64) -> String {
    format!("{}.{:02} s", time / 1_000_000, time / 10_000 % 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        let labels =
            |length, most| -> Vec<String> { ticks(length, most).into_iter().map(label).collect() };
        assert_eq!(
            labels(560_000, 6),
            ["0", "100 ms", "200 ms", "300 ms", "400 ms", "500 ms"]
        );
        assert_eq!(labels(2_120_000, 5), ["0", "500 ms", "1 s", "1.5 s", "2 s"]);
        assert_eq!(labels(0, 5), ["0"]);
    }

    #[test]
    fn durations_have_three_figures() {
        let said = [420, 12_430, 211_900, 1_569_000].map(duration);
        assert_eq!(said, ["0.4 ms", "12.4 ms", "211 ms", "1.56 s"]);
    }

    proptest! {
        #[test]
        fn never_more_than_asked_for_and_never_alone(length in 1_u64..200_000_000_000, most in 3_u64..12) {
            let ticks = ticks(length, most);
            let count = u64::try_from(ticks.len()).unwrap_or(u64::MAX);
            prop_assert!(count <= most + 1 && count >= 2, "{ticks:?}");
            prop_assert!(ticks.iter().all(|tick| *tick <= length));
        }
    }
}
