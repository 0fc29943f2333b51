//! How long to wait before the next try.

use std::time::Duration;

/// The first delay, doubled for each restart in a row, at most the cap.
pub(crate) fn delay(first: Duration, cap: Duration, in_row: u32) -> Duration {
    2_u32
        .checked_pow(in_row)
        .and_then(|factor| first.checked_mul(factor))
        .map_or(cap, |delay| delay.min(cap))
}

/// A seeded stream of small deviations (splitmix64), so that services that crashed together do not
/// come back together, and a simulation can be replayed.
#[derive(Debug, Clone)]
pub(crate) struct Jitter(u64);

impl Jitter {
    /// A stream that depends on nothing but the seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The delay with up to 10 % more or less.
    pub(crate) fn apply(&mut self, delay: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let permille = u32::try_from(900 + z % 201).unwrap_or(1000);
        delay.saturating_mul(permille) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_cap() {
        let base = Duration::from_millis(100);
        let cap = Duration::from_secs(60);
        let at = |n| delay(base, cap, n);
        assert_eq!(at(0), base);
        assert_eq!(at(1), base * 2);
        assert_eq!(at(9), Duration::from_millis(51_200));
        assert_eq!(at(10), cap);
        assert_eq!(at(u32::MAX), cap);
        assert_eq!(delay(Duration::MAX, cap, 3), cap);
        assert_eq!(delay(Duration::ZERO, cap, 5), Duration::ZERO);
    }

    #[test]
    fn jitter_stays_within_a_tenth_and_repeats_by_seed() {
        let minute = Duration::from_secs(60);
        let mut one = Jitter::new(7);
        let mut two = Jitter::new(7);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let delay = one.apply(minute);
            assert_eq!(delay, two.apply(minute));
            assert!(delay >= minute * 9 / 10 && delay <= minute * 11 / 10);
            seen.insert(delay);
        }
        assert!(seen.len() > 150, "it should vary: {}", seen.len());
        let (least, most) = (seen.first().unwrap(), seen.last().unwrap());
        assert!(*least < minute * 92 / 100 && *most > minute * 108 / 100);
        assert_eq!(one.apply(Duration::ZERO), Duration::ZERO);
    }

    /// The published first outputs of splitmix64 for seed 0, so that nobody simplifies it.
    #[test]
    fn jitter_is_splitmix64() {
        let permille = |z: u64| u32::try_from(900 + z % 201).unwrap();
        let mut jitter = Jitter::new(0);
        for z in [
            0xe220_a839_7b1d_cdaf,
            0x6e78_9e6a_a1b9_65f4,
            0x06c4_5d18_8009_454f,
        ] {
            let second = Duration::from_secs(1);
            assert_eq!(jitter.apply(second), second * permille(z) / 1000);
        }
    }
}
