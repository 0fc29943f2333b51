//! The restart policy: whether and when a service that ended by itself is started once more.

use std::time::Duration;

use orlop_config::RestartPolicy;

/// The first back-off.
pub(crate) const BASE: Duration = Duration::from_millis(100);
/// The back-off doubles up to this.
pub(crate) const CAP: Duration = Duration::from_secs(60);
/// Who was up this long has proved itself: its row of restarts counts from 0 again.
pub(crate) const HEALTHY: Duration = Duration::from_secs(10);

/// How one life of a service ended, as far as the policy cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The main process exited with code 0.
    pub(crate) success: bool,
    /// It was up for [`HEALTHY`] or longer.
    pub(crate) healthy: bool,
    /// Automatic restarts in a row before this end.
    pub(crate) in_row: u32,
}

/// What the policy wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done with success: down, and whoever waits for its completion may start.
    Complete,
    /// Start again so long after the end, before jitter; zero means at once.
    Retry(Duration),
    /// Failed, not to be started again by itself.
    Fail,
    /// Failed after so many restarts in a row.
    GiveUp(u32),
}

/// The policy's verdict on one end.
///
/// After a healthy run the restart is immediate: such a service cannot spin (at most one launch
/// every ten seconds), and the most frequent end of a healthy service is a person's `kill`, an OOM
/// kill or a rare crash, where every millisecond of delay is only an outage. `always` never gives
/// up, it stays at the cap; only `on-failure:max` has a limit, and only for automatic restarts.
pub(crate) fn verdict(policy: RestartPolicy, end: End) -> Verdict {
    let in_row = if end.healthy { 0 } else { end.in_row };
    let retry = if end.healthy {
        Verdict::Retry(Duration::ZERO)
    } else {
        Verdict::Retry(delay(in_row))
    };
    match policy {
        RestartPolicy::Always | RestartPolicy::UnlessStopped => retry,
        RestartPolicy::No | RestartPolicy::OnFailure { .. } if end.success => Verdict::Complete,
        RestartPolicy::OnSuccess if end.success => retry,
        RestartPolicy::OnAbnormal | RestartPolicy::OnAbort | RestartPolicy::OnWatchdog
            if end.success =>
        {
            Verdict::Complete
        }
        RestartPolicy::OnAbnormal | RestartPolicy::OnAbort | RestartPolicy::OnWatchdog => retry,
        RestartPolicy::No | RestartPolicy::OnSuccess => Verdict::Fail,
        RestartPolicy::OnFailure { max_retries } => match max_retries {
            Some(max) if in_row >= max => Verdict::GiveUp(max),
            Some(_) | None => retry,
        },
    }
}

/// 100 ms, doubled for each restart in a row, at most 60 s.
fn delay(in_row: u32) -> Duration {
    2_u32
        .checked_pow(in_row)
        .and_then(|factor| BASE.checked_mul(factor))
        .map_or(CAP, |delay| delay.min(CAP))
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

    fn end(success: bool, healthy: bool, in_row: u32) -> End {
        End {
            success,
            healthy,
            in_row,
        }
    }

    #[test]
    fn back_off_doubles_to_the_cap() {
        let at = |n| verdict(RestartPolicy::Always, end(false, false, n));
        assert_eq!(at(0), Verdict::Retry(Duration::from_millis(100)));
        assert_eq!(at(1), Verdict::Retry(Duration::from_millis(200)));
        assert_eq!(at(9), Verdict::Retry(Duration::from_millis(51_200)));
        assert_eq!(at(10), Verdict::Retry(CAP));
        assert_eq!(at(u32::MAX), Verdict::Retry(CAP));
    }

    #[test]
    fn table_of_policies() {
        let limited = RestartPolicy::OnFailure {
            max_retries: Some(3),
        };
        let endless = RestartPolicy::OnFailure { max_retries: None };
        for policy in [RestartPolicy::No, limited, endless] {
            assert_eq!(verdict(policy, end(true, true, 7)), Verdict::Complete);
        }
        assert_eq!(
            verdict(RestartPolicy::No, end(false, true, 0)),
            Verdict::Fail
        );
        assert_eq!(verdict(limited, end(false, false, 3)), Verdict::GiveUp(3));
        assert_eq!(
            verdict(limited, end(false, false, 2)),
            Verdict::Retry(BASE * 4)
        );
        // A healthy run starts the row anew, and restarts at once.
        assert_eq!(
            verdict(limited, end(false, true, 3)),
            Verdict::Retry(Duration::ZERO)
        );
        assert_eq!(verdict(endless, end(false, false, 99)), Verdict::Retry(CAP));
        for policy in [RestartPolicy::Always, RestartPolicy::UnlessStopped] {
            assert_eq!(verdict(policy, end(true, false, 0)), Verdict::Retry(BASE));
        }
    }

    #[test]
    fn jitter_stays_within_a_tenth_and_repeats_by_seed() {
        let mut one = Jitter::new(7);
        let mut two = Jitter::new(7);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let delay = one.apply(CAP);
            assert_eq!(delay, two.apply(CAP));
            assert!(delay >= CAP * 9 / 10 && delay <= CAP * 11 / 10, "{delay:?}");
            seen.insert(delay);
        }
        assert!(seen.len() > 100, "it should vary");
        assert_eq!(one.apply(Duration::ZERO), Duration::ZERO);
    }
}
