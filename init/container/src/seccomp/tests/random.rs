//! Random filters and calls that come close to their limits.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{ARCHITECTURES, FOREIGN, interpreter};
use crate::seccomp::{Action, Architecture, Calls, Comparison, Condition, Mode, Rule, Verdict};

/// Conditions and the action when all hold, in order; and the action when none does.
pub(super) type OwnedVerdict = (Vec<(Vec<Condition>, Action)>, Action);
pub(super) type OwnedCalls = BTreeMap<u32, OwnedVerdict>;

/// A filter that owns its parts.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) architectures: Vec<(Architecture, OwnedCalls)>,
    pub(super) unknown: Action,
    pub(super) foreign: Action,
    pub(super) mode: Mode,
}

impl Filter {
    pub(super) fn compile(&self) -> Vec<orlop_sys::seccomp::Instruction> {
        let rules: Vec<Vec<Vec<Rule<'_>>>> = self
            .architectures
            .iter()
            .map(|(_, calls)| calls.values().map(|(rules, _)| borrowed(rules)).collect())
            .collect();
        let verdicts: Vec<Vec<(u32, Verdict<'_>)>> = self
            .architectures
            .iter()
            .zip(&rules)
            .map(|((_, calls), rules)| {
                calls
                    .iter()
                    .zip(rules)
                    .map(|((&number, &(_, otherwise)), rules)| {
                        (number, Verdict { rules, otherwise })
                    })
                    .collect()
            })
            .collect();
        let calls: Vec<_> = self
            .architectures
            .iter()
            .zip(&verdicts)
            .map(|(&(architecture, _), verdicts)| Calls {
                architecture,
                verdicts,
                unknown: self.unknown,
            })
            .collect();
        crate::seccomp::compile(&calls, self.foreign, self.mode)
    }

    /// What the filter says, read rule by rule.
    pub(super) fn model(&self, call: interpreter::Call) -> Action {
        let found = self
            .architectures
            .iter()
            .find(|(architecture, _)| architecture.audit() == call.audit);
        let action = match found.map(|(_, calls)| calls.get(&call.number)) {
            None => self.foreign,
            Some(None) => self.unknown,
            Some(Some((rules, otherwise))) => rules
                .iter()
                .find(|(conditions, _)| conditions.iter().all(|one| holds(*one, call.arguments)))
                .map_or(*otherwise, |&(_, action)| action),
        };
        match (self.mode, action) {
            (Mode::Log, Action::Errno(_) | Action::KillProcess) => Action::Log,
            _ => action,
        }
    }

    fn numbers(&self) -> Vec<u32> {
        let known = self
            .architectures
            .iter()
            .flat_map(|(_, calls)| calls.keys());
        known.copied().chain([0, 0x4000_0000, u32::MAX]).collect()
    }

    fn constants(&self) -> Vec<u64> {
        let verdicts = self
            .architectures
            .iter()
            .flat_map(|(_, calls)| calls.values());
        let rules = verdicts.flat_map(|(rules, _)| rules);
        let conditions = rules.flat_map(|(conditions, _)| conditions);
        let values = conditions.map(|condition| match condition.comparison {
            Comparison::Eq(value)
            | Comparison::Ne(value)
            | Comparison::Lt(value)
            | Comparison::Le(value)
            | Comparison::Ge(value)
            | Comparison::Gt(value)
            | Comparison::MaskedEq { value, .. } => value,
        });
        values.chain([0, u64::MAX]).collect()
    }
}

fn borrowed(rules: &[(Vec<Condition>, Action)]) -> Vec<Rule<'_>> {
    rules
        .iter()
        .map(|(conditions, action)| Rule {
            conditions,
            action: *action,
        })
        .collect()
}

fn holds(condition: Condition, arguments: [u64; 6]) -> bool {
    let argument = arguments[usize::from(condition.argument)];
    match condition.comparison {
        Comparison::Eq(value) => argument == value,
        Comparison::Ne(value) => argument != value,
        Comparison::Lt(value) => argument < value,
        Comparison::Le(value) => argument <= value,
        Comparison::Ge(value) => argument >= value,
        Comparison::Gt(value) => argument > value,
        Comparison::MaskedEq { mask, value } => argument & mask == value,
    }
}

/// A call that is to come close to what a filter compares.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    number: (Index, i32),
    arguments: [(Index, i64, u64); 6],
    architecture: usize,
}

impl Probe {
    pub(super) fn aim(&self, filter: &Filter) -> interpreter::Call {
        let (at, off) = &self.number;
        let number = at.get(&filter.numbers()).wrapping_add_signed(*off);
        let constants = filter.constants();
        let arguments = self
            .arguments
            .each_ref()
            .map(|(at, off, flipped)| at.get(&constants).wrapping_add_signed(*off) ^ flipped);
        let audits = ARCHITECTURES.map(Architecture::audit);
        let audit = audits.get(self.architecture).copied().unwrap_or(FOREIGN);
        interpreter::Call {
            audit,
            number,
            arguments,
        }
    }
}

pub(super) fn probes() -> impl Strategy<Value = Vec<Probe>> {
    let flipped = prop_oneof![4 => Just(0), 1 => (0..64_u32).prop_map(|bit| 1 << bit)];
    let argument = (any::<Index>(), -1..=1_i64, flipped);
    let arguments = proptest::array::uniform6(argument);
    let off = prop_oneof![4 => Just(0), 1 => -1..=1_i32];
    let probe = ((any::<Index>(), off), arguments, 0..=ARCHITECTURES.len());
    let probe = probe.prop_map(|(number, arguments, architecture)| Probe {
        number,
        arguments,
        architecture,
    });
    vec(probe, 1..100)
}

pub(super) fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..4_u64,
        any::<u32>().prop_map(u64::from),
        any::<u32>().prop_map(|word| u64::from(word) << 32),
        any::<u64>(),
    ]
}

pub(super) fn comparison(
    value: impl Strategy<Value = u64> + Clone + 'static,
) -> impl Strategy<Value = Comparison> {
    prop_oneof![
        value.clone().prop_map(Comparison::Eq),
        value.clone().prop_map(Comparison::Ne),
        value.clone().prop_map(Comparison::Lt),
        value.clone().prop_map(Comparison::Le),
        value.clone().prop_map(Comparison::Ge),
        value.clone().prop_map(Comparison::Gt),
        (value.clone(), value).prop_map(|(mask, value)| Comparison::MaskedEq { mask, value }),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    // Few arguments, so that several conditions meet on one.
    (0..6_u8, comparison(value().boxed())).prop_map(|(argument, comparison)| Condition {
        argument: argument / 2 * 5 % 6,
        comparison,
    })
}

pub(super) fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        Just(Action::DENIED),
        Just(Action::MISSING),
        (1..4096_u16).prop_map(Action::Errno),
        Just(Action::Log),
        Just(Action::KillProcess),
    ]
}

/// Few calls with many rules, or so many calls that jumps must go far.
fn calls(
    action: impl Strategy<Value = Action> + Clone + 'static,
) -> impl Strategy<Value = OwnedCalls> {
    let rule = (vec(condition(), 0..4), action.clone());
    let ruled = (vec(rule, 0..6), action.clone()).boxed();
    let short = btree_map(0..600_u32, ruled.clone(), 0..20).boxed();
    let anywhere = btree_map(any::<u32>(), ruled, 0..5);
    let long = btree_map(0..1000_u32, (Just(Vec::new()), action), 0..700);
    let long = (long, short.clone()).prop_map(|(mut long, mut short)| {
        long.append(&mut short);
        long
    });
    prop_oneof![3 => short, 1 => anywhere, 2 => long]
}

/// Any filter that uses these actions.
pub(super) fn filter(
    action: impl Strategy<Value = Action> + Clone + 'static,
) -> impl Strategy<Value = Filter> {
    let architectures = prop::sample::subsequence(ARCHITECTURES.to_vec(), 1..=3).prop_shuffle();
    let tables = proptest::array::uniform3(calls(action.clone()));
    let mode = prop_oneof![3 => Just(Mode::Enforce), 1 => Just(Mode::Log)];
    (architectures, tables, action.clone(), action, mode).prop_map(
        |(architectures, tables, unknown, foreign, mode)| Filter {
            architectures: architectures.into_iter().zip(tables).collect(),
            unknown,
            foreign,
            mode,
        },
    )
}
