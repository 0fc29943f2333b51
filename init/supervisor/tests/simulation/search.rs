//! Running one plan, and finding a smaller one that goes wrong in the same way.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::run::{Plan, Run};

pub(crate) fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.replace('_', "").parse().expect(name))
}

/// The steps taken, or what went wrong.
pub(crate) fn run(plan: Plan, trace: bool) -> Result<u64, String> {
    let attempt = catch_unwind(AssertUnwindSafe(|| Run::new(plan, trace).play()));
    attempt.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// The first words of an error without names and numbers: tells one kind from another.
fn kind(error: &str) -> Vec<&str> {
    let words = error.split_whitespace();
    let plain = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    plain.take(6).collect()
}

/// The smallest machine found that goes wrong in the same way.
pub(crate) fn shrink(found: Plan, error: &str) -> Plan {
    for services in 1..=found.services {
        for ops in [0, 1, 2, 3, 5, 8, 13, 20] {
            for seed in 0..300 {
                let plan = Plan {
                    seed,
                    services,
                    ops,
                };
                let smaller = ops < found.ops;
                if smaller && run(plan, false).is_err_and(|e| kind(&e) == kind(error)) {
                    return plan;
                }
            }
        }
    }
    found
}
