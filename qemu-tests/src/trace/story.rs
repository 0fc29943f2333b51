//! What the facts come to: the lives of services, and what must hold of them.
//!
//! A service's main process is known by its program, `/bin/main-<service>`
//! ([`crate::MachineBuilder::main_service`]), its cgroup by its path: neither is Orlop's word.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Fact, What};

/// Programs of services are called so.
const PROGRAM: &str = "/bin/main-";
/// Cgroups of services are below.
const CGROUPS: &str = "/services/";
/// `docs/supervision.md`: the first pause, its longest, and what a run that long forgets.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const HEALTHY: Duration = Duration::from_secs(10);
/// What lies between an execve and PID 1's hearing of it: a run that is this near to [`HEALTHY`] may
/// count as either.
const HEARING: Duration = Duration::from_millis(500);

/// One run of a main process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Its number in the machine.
    pub pid: i32,
    /// Its execve.
    pub began: Duration,
    /// Its end.
    pub ended: Option<Duration>,
    /// When its cgroup lost its last process before it, unless it is the first one.
    pub emptied: Option<Duration>,
}

/// The facts by service.
#[derive(Debug, Clone, Default)]
pub struct Story {
    lives: BTreeMap<String, Vec<Life>>,
    signals: Vec<(Duration, i32, i32)>,
    marks: Vec<(Duration, String)>,
    wrong: Vec<String>,
}

impl Story {
    /// Reads them in order; what contradicts "one main process at a time, and none beside leftovers"
    /// is kept for [`Story::wrong`].
    #[must_use]
    pub fn new(facts: &[Fact]) -> Self {
        let mut story = Self::default();
        let mut running: BTreeMap<i32, String> = BTreeMap::new();
        let mut emptied: BTreeMap<String, Duration> = BTreeMap::new();
        for Fact { at, actor, what } in facts {
            match what {
                What::Exec { program } => {
                    let Some(service) = program.strip_prefix(PROGRAM) else {
                        continue;
                    };
                    running.insert(*actor, service.to_owned());
                    story.begins(service, *at, *actor, emptied.remove(service));
                }
                What::Exit => {
                    let Some(service) = running.remove(actor) else {
                        continue;
                    };
                    let lives = story.lives.entry(service).or_default();
                    if let Some(life) = lives.iter_mut().rev().find(|life| life.pid == *actor) {
                        life.ended = Some(*at);
                    }
                }
                What::Populated { cgroup, populated } => {
                    let Some(service) = cgroup.strip_prefix(CGROUPS) else {
                        continue;
                    };
                    if !populated {
                        emptied.insert(service.to_owned(), *at);
                    }
                }
                What::Signal { number, target } => story.signals.push((*at, *number, *target)),
                What::Mark(words) => story.marks.push((*at, words.clone())),
                What::Fork { .. } | What::Waits | What::GoesOn => {}
            }
        }
        story
    }

    fn begins(&mut self, service: &str, at: Duration, pid: i32, emptied: Option<Duration>) {
        let lives = self.lives.entry(service.to_owned()).or_default();
        if let Some(last) = lives.last() {
            let pair = format!("{} and {pid}", last.pid);
            match (last.ended, emptied) {
                (None, _) => self
                    .wrong
                    .push(format!("{service}: {pair} ran both at {at:?}")),
                (Some(_), None) => {
                    let text = format!("{service}: between {pair} its cgroup was never empty");
                    self.wrong.push(text);
                }
                (Some(_), Some(_)) => {}
            }
        }
        let life = Life {
            pid,
            began: at,
            ended: None,
            emptied,
        };
        lives.push(life);
    }

    /// Every start beside another one or beside what it has left.
    #[must_use]
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// The lives of a service in order.
    #[must_use]
    pub fn lives(&self, service: &str) -> &[Life] {
        self.lives
            .get(service)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// When the test has said this for the first time.
    #[must_use]
    pub fn mark(&self, words: &str) -> Option<Duration> {
        let found = self.marks.iter().find(|(_, said)| said == words);
        found.map(|(at, _)| *at)
    }

    /// Every start of `service` at which `dependency` neither ran nor had run within `slack` before,
    /// which is what lies between PID 1's decision and the execve.
    #[must_use]
    pub fn started_without(&self, service: &str, dependency: &str, slack: Duration) -> Vec<String> {
        let there = |at: Duration| {
            let mut lives = self.lives(dependency).iter();
            lives.any(|life| life.began <= at && life.ended.is_none_or(|end| end + slack >= at))
        };
        let starts = self.lives(service).iter().map(|life| life.began);
        starts
            .filter(|at| !there(*at))
            .map(|at| format!("{service} started at {at:?} without {dependency}"))
            .collect()
    }

    /// Every automatic restart of `service` that came before its back-off was over. Who asks for it
    /// has said so by marks, `begin VERB SERVICE…` and `end VERB SERVICE…`: what happens between them
    /// is theirs.
    #[must_use]
    pub fn restarted_too_soon(&self, service: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut row = 0;
        for pair in self.lives(service).windows(2) {
            let [before, after] = pair else { continue };
            let Some(ended) = before.ended else { continue };
            if self.asked_between(service, before.began, after.began) {
                row = 0;
                continue;
            }
            let ran = ended.saturating_sub(before.began);
            if ran + HEARING >= HEALTHY {
                row = 0;
                continue;
            }
            let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(row).unwrap_or(u32::MAX));
            // A tenth of jitter.
            let least = pause.min(LONGEST_PAUSE) * 9 / 10;
            let took = after.began.saturating_sub(ended);
            if took < least {
                wrong.push(format!(
                    "{service}: restart {row} in a row came {took:?} after the end at {ended:?}, not {least:?}"
                ));
            }
            row += 1;
        }
        wrong
    }

    fn asked_between(&self, service: &str, from: Duration, to: Duration) -> bool {
        let mut begun = None;
        for (at, words) in &self.marks {
            let mut words = words.split_whitespace();
            let (edge, _verb) = (words.next(), words.next());
            if !words.any(|name| name == service) {
                continue;
            }
            match edge {
                Some("begin") => begun = Some(*at),
                Some("end") if begun.take().is_some_and(|begin| begin <= to) && *at >= from => {
                    return true;
                }
                _ => {}
            }
        }
        begun.is_some_and(|begin| begin <= to)
    }

    /// Whether the last life of `first` was over before the last one of `then` was told to stop, or
    /// ended.
    ///
    /// # Errors
    /// What came first.
    pub fn ended_in_order(&self, first: &str, then: &str) -> Result<(), String> {
        let last = |service: &str| {
            let life = self.lives(service).last().cloned();
            life.ok_or_else(|| format!("{service} never ran"))
        };
        let (first_life, then_life) = (last(first)?, last(then)?);
        let over = first_life
            .ended
            .ok_or_else(|| format!("{first} never ended"))?;
        // SIGTERM and SIGKILL; what a program sends to itself is no matter here.
        let told = self
            .signals
            .iter()
            .filter(|(at, number, target)| {
                *target == then_life.pid && matches!(number, 9 | 15) && *at >= then_life.began
            })
            .map(|(at, ..)| *at)
            .min();
        match told.into_iter().chain(then_life.ended).min() {
            Some(at) if at < over => {
                Err(format!("{then} was ended at {at:?}, {first} at {over:?}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64, actor: i32, what: What) -> Fact {
        Fact {
            at: Duration::from_millis(millis),
            actor,
            what,
        }
    }

    fn exec(millis: u64, pid: i32, service: &str) -> Fact {
        at(
            millis,
            pid,
            What::Exec {
                program: format!("/bin/main-{service}"),
            },
        )
    }

    fn exit(millis: u64, pid: i32) -> Fact {
        at(millis, pid, What::Exit)
    }

    fn empty(millis: u64, service: &str) -> Fact {
        let cgroup = format!("/services/{service}");
        at(
            millis,
            0,
            What::Populated {
                cgroup,
                populated: false,
            },
        )
    }

    fn mark(millis: u64, words: &str) -> Fact {
        at(millis, 9, What::Mark(words.to_owned()))
    }

    #[test]
    fn two_at_a_time_and_leftovers_are_seen() {
        let good = [
            exec(1, 10, "a"),
            exit(5, 10),
            empty(5, "a"),
            exec(200, 11, "a"),
        ];
        assert_eq!(Story::new(&good).wrong(), [] as [&str; 0]);
        let both = [exec(1, 10, "a"), exec(2, 11, "a")];
        assert_eq!(Story::new(&both).wrong().len(), 1);
        let leftover = [exec(1, 10, "a"), exit(5, 10), exec(200, 11, "a")];
        assert_eq!(Story::new(&leftover).wrong().len(), 1);
    }

    #[test]
    fn a_start_without_its_dependency_is_seen() {
        let facts = [
            exec(1, 10, "base"),
            exec(2, 11, "top"),
            exit(100, 10),
            exec(900, 12, "top"),
        ];
        let story = Story::new(&facts);
        let slack = Duration::from_millis(500);
        assert_eq!(story.started_without("top", "base", slack).len(), 1);
        assert!(story.started_without("top", "base", slack * 2).is_empty());
        assert_eq!(story.started_without("base", "top", slack).len(), 1);
    }

    #[test]
    fn the_pause_doubles_and_a_request_or_a_long_run_forgets() {
        let lives = |pauses: &[u64], run: u64| {
            let (mut now, mut facts) = (0, Vec::new());
            for (pid, pause) in (10..).zip(pauses) {
                facts.extend([
                    exec(now, pid, "a"),
                    exit(now + run, pid),
                    empty(now + run, "a"),
                ]);
                now += run + pause;
            }
            facts.push(exec(now, 99, "a"));
            facts
        };
        let too_soon = |facts: &[Fact]| Story::new(facts).restarted_too_soon("a").len();
        assert_eq!(too_soon(&lives(&[100, 190, 400], 5)), 0);
        assert_eq!(too_soon(&lives(&[100, 120, 400], 5)), 1);
        assert_eq!(too_soon(&lives(&[0, 0, 0], 10_000)), 0);
        let mut asked = lives(&[100, 20], 5);
        assert_eq!(too_soon(&asked), 1);
        asked.extend([mark(106, "begin restart a"), mark(130, "end restart a")]);
        assert_eq!(too_soon(&asked), 0);
        asked.extend([mark(106, "begin restart b"), mark(130, "end restart b")]);
        assert_eq!(too_soon(&asked), 0);
    }

    #[test]
    fn an_order_of_ends_is_that_of_the_signals() {
        let term = |millis, target| at(millis, 1, What::Signal { number: 15, target });
        let begin = [exec(1, 10, "base"), exec(2, 11, "top")];
        let good = [
            &begin[..],
            &[term(5, 11), exit(6, 11), term(7, 10), exit(8, 10)],
        ]
        .concat();
        Story::new(&good).ended_in_order("top", "base").unwrap();
        let bad = [
            &begin[..],
            &[term(4, 10), term(5, 11), exit(6, 11), exit(8, 10)],
        ]
        .concat();
        Story::new(&bad).ended_in_order("top", "base").unwrap_err();
    }
}
