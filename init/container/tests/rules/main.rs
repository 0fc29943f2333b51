//! Rules R1–R23 and runtime edge cases 46–70: each attack fails, and the same attack succeeds once
//! the guard is taken away (`orlop_container::weaken`) or where there never was one. The table is
//! `docs/isolation-rules.md`.
//!
//! Needs the feature `weaken`, root, a static busybox and a C compiler.
#![cfg(test)]

#[path = "../launch/ground.rs"]
#[expect(dead_code, reason = "shared with tests/launch, which uses the rest")]
mod ground;

mod attack;
mod cgroups;
mod descriptors;
mod edges;
mod identity;
mod kernel;
mod places;

use orlop_container::weaken::MARKER;

/// `.ci/test` looks for the marker in the released programs: it must be one that can be found.
#[test]
fn a_build_that_can_be_weakened_shows() {
    let program = std::fs::read("/proc/self/exe").unwrap();
    let found = program
        .windows(MARKER.len())
        .any(|bytes| bytes == MARKER.as_bytes());
    assert!(found, "{MARKER:?} is not in the tests' program");
}
