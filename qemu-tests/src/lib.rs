//! Boots machines as a user would, with `orlop run --headless --json`, and waits for what they say.
//!
//! A [`MachineBuilder`] writes a machine's folder and builds it; [`MachineBuilder::boot`] gives a
//! [`Vm`], which owns the process and ends it when dropped. Tests wait for events, console text or
//! answers, each with the one [`HANG_LIMIT`], and never sleep. A test that panics leaves the
//! transcript in `target/qemu-tests/` and its end on stderr.
//!
//! Needs the programs that `make programs` builds, and QEMU: without them tests fail, none is
//! passed over.
#![forbid(unsafe_code)]

mod client;
mod console;
mod conversation;
pub mod debian;
mod dice;
mod event_log;
mod machine_builder;
pub mod power_cut;
mod qmp;
mod shared;
mod spawner;
mod time_server;
mod tool;
pub mod trace;
mod transcript;
pub mod tutorial;
mod vm;
pub mod waterfall;
mod witness;

use std::time::Duration;

pub use client::{curl, psql, redis, skopeo};
pub use console::Console;
pub use conversation::Conversation;
pub use dice::{Dice, seed};
pub use machine_builder::MachineBuilder;
pub use shared::{Held, Shared};
pub use time_server::TimeServer;
pub use tool::{Outcome, orlop};
pub use vm::Vm;
pub use witness::Witness;

/// How often a test repeats what is worth repeating: `ORLOP_ROUNDS`, which `make soak` sets, or once.
#[must_use]
pub fn rounds() -> usize {
    std::env::var("ORLOP_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}

/// No wait in a test is longer. A boot takes seconds; two of them at a time on two busy cores
/// without KVM take their time.
pub const HANG_LIMIT: Duration = Duration::from_secs(120);
