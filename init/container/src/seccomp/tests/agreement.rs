//! Random filters: what the program answers is what the rules say, what libseccomp's program
//! answers, and what the running kernel does.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::interpreter::{Call, run};
use super::oracle::{NamedRule, Oracle};
use super::random::{Filter, OwnedVerdict, action, comparison, filter, probes, value};
use super::{ARCHITECTURES, CALLS, NO, number};
use crate::seccomp::{Action, Architecture, Comparison, Condition, Mode};

/// Without a file of old failures beside the source.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_program_answers_what_its_rules_say(filter in filter(action().boxed()), probes in probes()) {
        let program = filter.compile();
        for probe in probes {
            let call = probe.aim(&filter);
            prop_assert_eq!(run(&program, call).0, filter.model(call).code(), "{:x?}", call);
        }
    }
}

/// What both say alike: one rule with several conditions; rules with one condition each on arguments
/// of their own, and one action; or rules with actions of their own that one argument's value tells
/// apart. libseccomp 2.5 has no order, takes one condition an argument, and where rules overlap in
/// their first argument it forgets the later ones. What i386 compares has 32 bits.
fn common_verdict(wide: bool) -> impl Strategy<Value = OwnedVerdict> {
    let value = if wide {
        value().boxed()
    } else {
        value().prop_map(|value| value & 0xFFFF_FFFF).boxed()
    };
    let comparison = comparison(value.clone()).prop_map(|comparison| match comparison {
        Comparison::MaskedEq { mask, value } => Comparison::MaskedEq {
            mask,
            value: value & mask,
        },
        other => other,
    });
    let comparison = comparison.boxed();
    // libseccomp refuses a rule that says what happens anyway.
    let action = action().prop_filter("an action of its own", |&action| action != OTHERWISE);
    let action = action.boxed();
    let condition = |(argument, comparison)| Condition {
        argument,
        comparison,
    };
    let all = btree_map(0..6_u8, comparison.clone(), 0..5)
        .prop_map(move |conditions| conditions.into_iter().map(condition).collect::<Vec<_>>())
        .boxed();
    let any = btree_map(0..6_u8, comparison, 1..5)
        .prop_map(move |conditions| conditions.into_iter().map(condition).collect::<Vec<_>>());
    let first = (Just(0), value.prop_map(Comparison::Eq)).prop_map(condition);
    let told_apart = vec((first, all.clone(), action.clone()), 1..5);
    prop_oneof![
        (all, action.clone()).prop_map(|(conditions, action)| vec![(conditions, action)]),
        (any, action).prop_map(|(any, action)| any
            .into_iter()
            .map(|condition| (vec![condition], action))
            .collect()),
        told_apart.prop_map(|rules| {
            let mut apart = BTreeMap::new();
            for (first, mut rest, action) in rules {
                rest.retain(|condition| condition.argument != first.argument);
                rest.insert(0, first);
                if let Comparison::Eq(value) = first.comparison {
                    apart.insert(value, (rest, action));
                }
            }
            apart.into_values().collect()
        }),
    ]
    .prop_map(|rules| (rules, OTHERWISE))
}

const OTHERWISE: Action = Action::Errno(111);
const ELSEWHERE: Action = Action::KillProcess;

/// Calls that have one meaning everywhere: libseccomp splits those that i386 multiplexes.
fn plain_names() -> Vec<&'static str> {
    let multiplexed = |name: &str| {
        [
            "sem", "shm", "msg", "recv", "send", "socket", "get", "set", "accept",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
            || ["bind", "connect", "listen", "shutdown"].contains(&name)
    };
    CALLS
        .iter()
        .filter(|(name, numbers)| {
            numbers.iter().all(|&number| number != NO && number < 440) && !multiplexed(name)
        })
        .map(|&(name, _)| name)
        .collect()
}

fn named_filter() -> impl Strategy<Value = (BTreeMap<&'static str, OwnedVerdict>, Vec<Architecture>)>
{
    prop::sample::subsequence(ARCHITECTURES.to_vec(), 1..=3).prop_flat_map(|architectures| {
        let wide = !architectures.contains(&Architecture::I386);
        let name = prop::sample::select(plain_names());
        let calls = btree_map(name, common_verdict(wide), 1..40);
        (calls, Just(architectures))
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn libseccomp_agrees((calls, architectures) in named_filter(), probes in probes()) {
        let by_number = |architecture| {
            let numbered = calls.iter().map(|(name, verdict)| {
                (number(architecture, name).unwrap(), verdict.clone())
            });
            (architecture, numbered.collect())
        };
        let filter = Filter {
            architectures: architectures.iter().copied().map(by_number).collect(),
            unknown: OTHERWISE,
            foreign: ELSEWHERE,
            mode: Mode::Enforce,
        };
        let rules: Vec<_> = calls
            .iter()
            .flat_map(|(name, (rules, _))| {
                rules.iter().map(|(conditions, action)| NamedRule {
                    name,
                    conditions,
                    action: *action,
                })
            })
            .collect();
        let theirs = ask(|oracle| oracle.export(OTHERWISE, ELSEWHERE, &architectures, &rules));
        // Of some thousands of filters, libseccomp 2.5 refuses one.
        prop_assume!(!theirs.is_empty());
        let ours = filter.compile();
        for probe in probes {
            let mut call = probe.aim(&filter);
            // The kernel gives 32-bit programs no more.
            if call.audit == Architecture::I386.audit() {
                call.arguments = call.arguments.map(|argument| argument & 0xFFFF_FFFF);
            }
            let (ours, theirs) = (run(&ours, call).0, run(&theirs, call).0);
            if is_x32(call) && architectures.contains(&Architecture::X86_64) {
                // libseccomp calls x32 another architecture; here its numbers are unknown ones.
                prop_assert_eq!((ours, theirs), (OTHERWISE.code(), ELSEWHERE.code()));
            } else {
                prop_assert_eq!(ours, theirs, "{:x?}", call);
            }
        }
    }

    #[test]
    fn the_kernel_does_what_the_interpreter_says(
        mut filter in filter((1..4096_u16).prop_map(Action::Errno).boxed()),
        probes in probes(),
    ) {
        // Nothing may run but the end of the process that tries.
        filter.mode = Mode::Enforce;
        let exit = number(Architecture::NATIVE, "exit_group").unwrap();
        for (architecture, calls) in &mut filter.architectures {
            if *architecture == Architecture::NATIVE {
                calls.insert(exit, (Vec::new(), Action::Allow));
            }
        }
        prop_assume!(filter.architectures.iter().any(|&(known, _)| known == Architecture::NATIVE));
        let program = filter.compile();
        prop_assume!(program.len() <= MOST_INSTRUCTIONS);
        let calls: Vec<Call> = probes
            .iter()
            .map(|probe| Call {
                audit: Architecture::NATIVE.audit(),
                ..probe.aim(&filter)
            })
            .filter(|call| call.number != exit && !UPROBES.contains(&call.number))
            .collect();
        let asked: Vec<_> = calls.iter().map(|call| (call.number, call.arguments)).collect();
        let done = ask(|oracle| oracle.run(&program, &asked));
        for (call, errno) in calls.iter().zip(done) {
            let expected = Action::Errno(u16::try_from(errno).unwrap()).code();
            prop_assert_eq!(run(&program, *call).0, expected, "{:x?}", call);
        }
    }
}

/// uretprobe and uprobe on x86-64: newer kernels pass them by all filters, and kill who is not a probe.
const UPROBES: [u32; 2] = [335, 336];

/// BPF_MAXINSNS.
const MOST_INSTRUCTIONS: usize = 4096;

/// One oracle a test; a new one after a question that killed it.
fn ask<T>(question: impl FnOnce(&mut Oracle) -> T) -> T {
    thread_local! {
        static ORACLE: Cell<Option<Oracle>> = const { Cell::new(None) };
    }
    let mut oracle = ORACLE.take().unwrap_or_else(Oracle::start);
    let answer = question(&mut oracle);
    ORACLE.set(Some(oracle));
    answer
}

fn is_x32(call: Call) -> bool {
    call.audit == Architecture::X86_64.audit() && (0x4000_0000..u32::MAX).contains(&call.number)
}

#[test]
fn the_table_agrees_with_libseccomp() {
    let mut oracle = Oracle::start();
    let mut compared = 0;
    for (name, _) in CALLS {
        for architecture in ARCHITECTURES {
            // Debian 12's knows the calls of Linux 5.17.
            if let Some(theirs) = oracle.resolve(architecture, name) {
                assert_eq!(
                    number(architecture, name),
                    Some(theirs),
                    "{name} {architecture:?}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}
