//! The verdict on one end: down, failed, or again, and when.

use std::time::Duration;

use orlop_config::{RestartPolicy, Service, StartLimit};

use super::back_off::delay;
use super::end::{Kind, Lists, listed, policy_restarts};
use crate::ExitStatus;

/// What a manifest says of restarts.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// `restart`.
    pub(crate) policy: RestartPolicy,
    /// A success ends it for good: a oneshot, or what a schedule starts.
    pub(crate) once: bool,
    /// `restart_delay`.
    pub(crate) first_delay: Duration,
    /// `restart_max_delay`.
    pub(crate) cap: Duration,
    /// `restart_reset_after`.
    pub(crate) reset_after: Duration,
    /// `on-failure:N`, `deploy.restart_policy.max_attempts`.
    pub(crate) max_attempts: Option<u32>,
    /// `start_limit`.
    pub(crate) limit: Option<StartLimit>,
    /// The lists of exit codes and signals.
    pub(crate) lists: Lists,
}

impl Rules {
    /// A service's rules.
    pub(crate) fn new(service: &Service) -> Self {
        let supervision = &service.supervision;
        let oneshot = supervision.kind != orlop_config::Kind::Service;
        Self {
            policy: service.restart,
            once: oneshot || supervision.schedule.is_some(),
            first_delay: supervision.restart_delay,
            cap: supervision.restart_max_delay,
            reset_after: supervision.restart_reset_after,
            max_attempts: service.max_attempts(),
            limit: supervision.start_limit,
            lists: Lists::new(service),
        }
    }
}

/// What came before this end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// How the main process ended; `None` when it never ran.
    pub(crate) status: Option<ExitStatus>,
    /// The kind of that end.
    pub(crate) kind: Kind,
    /// It was well for `restart_reset_after` or longer.
    pub(crate) healthy: bool,
    /// Automatic restarts in a row before this end.
    pub(crate) in_row: u32,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Down with success.
    Complete,
    /// Start again so long after the end, before jitter; zero means at once.
    Retry(Duration),
    /// Failed, not to be started again by itself.
    Fail,
    /// Failed after so many restarts in a row.
    GiveUp(u32),
}

/// The verdict on one end, but for `start_limit`, which is asked when the time of the restart is
/// known.
///
/// After a healthy run the restart is immediate: such a service cannot spin (at most one launch
/// every `restart_reset_after`), and the most frequent end of a healthy service is a person's
/// `kill`, an OOM kill or a rare crash, where every millisecond of delay is only an outage.
pub(crate) fn verdict(rules: &Rules, record: Record) -> Verdict {
    let success = record.kind.is_clean();
    let is_in = |list| record.status.is_some_and(|status| listed(list, status));
    let again = match (success && rules.once, is_in(&rules.lists.prevent)) {
        (true, _) | (_, true) => false,
        _ => is_in(&rules.lists.force) || policy_restarts(rules.policy, record.kind),
    };
    if !again {
        return match success {
            true => Verdict::Complete,
            false => Verdict::Fail,
        };
    }
    let (in_row, pause) = match record.healthy {
        true => (0, Duration::ZERO),
        false => {
            let pause = delay(rules.first_delay, rules.cap, record.in_row);
            (record.in_row, pause)
        }
    };
    if let Some(max) = rules.max_attempts
        && in_row >= max
    {
        return Verdict::GiveUp(max);
    }
    Verdict::Retry(pause)
}

#[cfg(test)]
mod tests {
    use orlop_config::{EndStatus, Signal};

    use super::*;

    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(60);

    fn rules(policy: RestartPolicy) -> Rules {
        Rules {
            policy,
            once: false,
            first_delay: BASE,
            cap: CAP,
            reset_after: Duration::from_secs(10),
            max_attempts: match policy {
                RestartPolicy::OnFailure { max_retries } => max_retries,
                _ => None,
            },
            limit: None,
            lists: Lists::default(),
        }
    }

    fn on(rules: &Rules, code: i32, healthy: bool, in_row: u32) -> Verdict {
        let record = Record {
            status: Some(ExitStatus::Exited(code)),
            kind: match code {
                0 => Kind::Clean,
                _ => Kind::Code,
            },
            healthy,
            in_row,
        };
        verdict(rules, record)
    }

    #[test]
    fn retries_back_off_and_reset() {
        let always = rules(RestartPolicy::Always);
        assert_eq!(on(&always, 1, false, 0), Verdict::Retry(BASE));
        assert_eq!(on(&always, 0, false, 3), Verdict::Retry(BASE * 8));
        assert_eq!(on(&always, 1, false, 99), Verdict::Retry(CAP));
        assert_eq!(on(&always, 1, true, 99), Verdict::Retry(Duration::ZERO));
    }

    #[test]
    fn a_row_of_failures_ends() {
        let limited = rules(RestartPolicy::OnFailure {
            max_retries: Some(3),
        });
        assert_eq!(on(&limited, 0, true, 7), Verdict::Complete);
        assert_eq!(on(&limited, 1, false, 2), Verdict::Retry(BASE * 4));
        assert_eq!(on(&limited, 1, false, 3), Verdict::GiveUp(3));
        assert_eq!(on(&limited, 1, true, 3), Verdict::Retry(Duration::ZERO));
        assert_eq!(on(&rules(RestartPolicy::No), 1, true, 0), Verdict::Fail);
    }

    #[test]
    fn lists_come_before_the_policy() {
        let mut always = rules(RestartPolicy::Always);
        always.lists.prevent = vec![EndStatus::Code(7), EndStatus::Code(0)];
        assert_eq!(on(&always, 7, false, 0), Verdict::Fail);
        assert_eq!(on(&always, 0, false, 0), Verdict::Complete);
        assert_eq!(on(&always, 8, false, 0), Verdict::Retry(BASE));
        let mut no = rules(RestartPolicy::No);
        no.lists.force = vec![EndStatus::Code(7), EndStatus::Signal(Signal::KILL)];
        assert_eq!(on(&no, 7, false, 0), Verdict::Retry(BASE));
        assert_eq!(on(&no, 9, false, 0), Verdict::Fail);
        // Prevented wins over forced, as in systemd.
        no.lists.prevent = vec![EndStatus::Code(7)];
        assert_eq!(on(&no, 7, false, 0), Verdict::Fail);
    }

    #[test]
    fn what_runs_once_is_not_run_again_after_a_success() {
        let mut once = rules(RestartPolicy::Always);
        once.once = true;
        once.lists.force = vec![EndStatus::Code(0)];
        assert_eq!(on(&once, 0, false, 0), Verdict::Complete);
        assert_eq!(on(&once, 1, false, 0), Verdict::Retry(BASE));
    }
}
