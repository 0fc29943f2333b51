//! Random machines with random requests in a random world, in virtual time.
//!
//! One seed makes one machine: its services and their edges, what people ask, how processes behave,
//! and in which order reports arrive. After every step the invariants of `invariants.rs` are checked;
//! then the world calms down and the desired state must be reached; then the machine shuts down.
//!
//! `ORLOP_STEPS`: steps in all (default 1,000,000; the soak runs 100,000,000). `ORLOP_SEED`: the
//! first seed, printed by every run. A failure is shrunk to few services and few requests, and its
//! trace printed; `ORLOP_SEED`, `ORLOP_SERVICES` and `ORLOP_OPS` replay that one machine.

// `cfg(test)` on each module tells clippy that this is test code.

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod random;
#[cfg(test)]
mod run;
#[cfg(test)]
mod search;
#[cfg(test)]
mod service;
#[cfg(test)]
mod world;

use std::time::{SystemTime, UNIX_EPOCH};

use run::{Plan, Run};
use search::{number, run, shrink};

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
        run.play().is_err()
    });
    assert!(noticed);
}
