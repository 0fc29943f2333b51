//! Whom to believe (RFC 5905, section 11.2.1, in small). Pure.

use std::net::SocketAddrV4;

/// What one server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// From this machine's clock to the server's, microseconds.
    pub(super) offset_us: i64,
    /// How far that may be from the right time: half the way there and back, and what the server says
    /// of itself.
    pub(super) distance_us: i64,
    /// Who says it.
    pub(super) server: SocketAddrV4,
}

impl Sample {
    fn allows(&self, offset_us: i64) -> bool {
        self.offset_us.abs_diff(offset_us) <= self.distance_us.unsigned_abs()
    }
}

/// The nearest of those that agree: of the offsets that more than half of all allow, the sample with
/// the least distance. None when no half does: two that contradict each other say nothing.
pub(super) fn choose(samples: &[Sample]) -> Option<Sample> {
    let lows = samples
        .iter()
        .map(|sample| sample.offset_us - sample.distance_us);
    let agreeing = |offset_us: i64| {
        samples
            .iter()
            .filter(move |sample| sample.allows(offset_us))
    };
    let common = lows.max_by_key(|low| agreeing(*low).count())?;
    if agreeing(common).count() * 2 <= samples.len() {
        return None;
    }
    agreeing(common)
        .min_by_key(|sample| sample.distance_us)
        .copied()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn samples(of: &[(i64, i64)]) -> Vec<Sample> {
        let sample = |(number, &(offset_us, distance_us)): (u8, &(i64, i64))| Sample {
            offset_us,
            distance_us,
            server: SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, number), 123),
        };
        (1..).zip(of).map(sample).collect()
    }

    fn chosen(of: &[(i64, i64)]) -> Option<i64> {
        choose(&samples(of)).map(|sample| sample.offset_us)
    }

    #[test]
    fn the_majority_is_believed_and_the_nearest_of_it() {
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[(7, 100)]), Some(7));
        assert_eq!(chosen(&[(7, 100), (9, 10), (1_000_000, 1)]), Some(9));
        assert_eq!(
            chosen(&[(1_000_000, 1), (0, 50), (20, 40), (-9, 30)]),
            Some(-9)
        );
    }

    #[test]
    fn without_one_nobody_is() {
        assert_eq!(chosen(&[(0, 10), (1_000_000, 10)]), None);
        assert_eq!(
            chosen(&[(0, 10), (5, 10), (1_000_000, 10), (1_000_005, 10)]),
            None
        );
    }

    proptest! {
        #[test]
        fn liars_in_the_minority_change_nothing(
            truth in -1_000_000_i64..1_000_000,
            honest in proptest::collection::vec((-100_i64..100, 100_i64..1000), 3..6),
            lies in proptest::collection::vec((10_000_i64..1_000_000_000, 1_i64..1000), 0..3),
        ) {
            let mut all: Vec<(i64, i64)> = honest.iter().map(|(o, d)| (truth + o, *d)).collect();
            all.extend(lies.iter().map(|(o, d)| (truth + o, *d)));
            let offset = chosen(&all).unwrap();
            prop_assert!((offset - truth).abs() <= 1000, "{offset} {truth}");
        }
    }
}
