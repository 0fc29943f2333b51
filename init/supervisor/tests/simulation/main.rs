//! Random machines with random requests in a random world, in virtual time.
//!
//! One seed makes one machine: its services and their edges, what people ask, how processes behave,
//! and in which order reports arrive. After every step the invariants of `invariants.rs` are checked;
//! then the world calms down and the desired state must be reached; then the machine shuts down.
//!
//! `ORLOP_STEPS`: steps in all (default 1,000,000; the soak runs 100,000,000). `ORLOP_SEED`: the
//! first seed, printed by every run. A failure is shrunk to few services and few requests, and its
//! trace printed; `ORLOP_SEED`, `ORLOP_SERVICES` and `ORLOP_OPS` replay that one machine.

mod invariants;
mod machine;
mod random;
mod run;
mod service;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{SystemTime, UNIX_EPOCH};

use run::{Plan, Run};

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.replace('_', "").parse().expect(name))
}

/// The steps taken, or what went wrong.
fn run(plan: Plan, trace: bool) -> Result<u64, String> {
    let attempt = catch_unwind(AssertUnwindSafe(|| Run::new(plan, trace).to_the_end()));
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
fn shrink(found: Plan, error: &str) -> Plan {
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

#[test]
fn random_machines_keep_the_invariants() {
    if let (Some(seed), Some(services), Some(ops)) = (
        number("ORLOP_SEED"),
        number("ORLOP_SERVICES"),
        number("ORLOP_OPS"),
    ) {
        let plan = Plan {
            seed,
            services,
            ops,
        };
        let outcome = run(plan, true);
        assert!(outcome.is_ok(), "{plan:?}: {outcome:?}");
        return;
    }
    let wanted = number("ORLOP_STEPS").unwrap_or(1_000_000);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = number("ORLOP_SEED").unwrap_or(clock.as_secs() << 20);
    println!("ORLOP_SEED={first} ORLOP_STEPS={wanted}");
    let mut steps = 0;
    let mut machines = 0;
    while steps < wanted {
        let plan = Plan::of_seed(first + machines);
        match run(plan, false) {
            Ok(taken) => steps += taken,
            Err(error) => {
                let small = shrink(plan, &error);
                let traced = run(small, true);
                panic!(
                    "{error}\nfound by {plan:?}; replay the smallest with ORLOP_SEED={} \
                     ORLOP_SERVICES={} ORLOP_OPS={}: {traced:?}",
                    small.seed, small.services, small.ops
                );
            }
        }
        machines += 1;
    }
    println!("{steps} steps of {machines} machines");
}

/// The invariants can fail: a supervisor whose effects are lost on the way must be caught.
#[test]
fn a_lost_effect_is_noticed() {
    let noticed = (0..100).any(|seed| {
        let mut run = Run::new(Plan::of_seed(seed), false);
        run.lose_replies();
        run.to_the_end().is_err()
    });
    assert!(noticed);
}
