//! How long PID 1 heard nothing: from the end of one wait for events to the begin of the next.

use std::time::Duration;

use super::{Fact, What};

/// The longest of it, and when it began. What other processes do on its processor meanwhile counts:
/// whoever waits for PID 1 waits for that too. `None` without waits in the trace
/// ([`crate::MachineBuilder::witness_waits`]).
#[must_use]
pub fn longest_away(facts: &[Fact]) -> Option<(Duration, Duration)> {
    let mut longest = None;
    let mut left: Option<Duration> = None;
    for fact in facts.iter().filter(|fact| fact.actor == 1) {
        match fact.what {
            What::GoesOn => left = Some(fact.at),
            What::Waits => {
                let Some(left) = left.take() else { continue };
                let away = fact.at.saturating_sub(left);
                if longest.is_none_or(|(most, _)| away > most) {
                    longest = Some((away, left));
                }
            }
            _ => {}
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_measured_between_waits_of_pid_1_alone() {
        let at = |millis, actor, what| Fact {
            at: Duration::from_millis(millis),
            actor,
            what,
        };
        let facts = [
            at(1, 1, What::Waits),
            at(10, 1, What::GoesOn),
            at(12, 1, What::Waits),
            at(20, 1, What::GoesOn),
            at(21, 7, What::Waits),
            at(25, 1, What::Waits),
        ];
        let longest = (Duration::from_millis(5), Duration::from_millis(20));
        assert_eq!(longest_away(&facts), Some(longest));
        assert_eq!(longest_away(&[]), None);
    }
}
