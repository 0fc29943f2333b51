//! Guards that a test takes away one at a time, to see the attack behind a rule succeed without it:
//! else nobody knows that the guard is what stops it. The table is in `docs/isolation-rules.md`.
//!
//! Only the feature `weaken` makes that possible, and only `tests/rules` enables it. In every other
//! build [`holds`] is the constant `true`, and [`MARKER`] is not in the program, which `.ci/test`
//! checks.

/// A rule whose guard is code of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nobody can write the program that a container runs from outside its image.
    R01,
    /// No descriptor but the planned ones survives execve.
    R02,
    /// The working directory lies inside.
    R03,
    /// Files are masked with a verified null device.
    R04,
    /// Writes to proc go through a private mount of it.
    R06,
    /// Places are walked inside the root.
    R07,
    /// A place is resolved once.
    R08,
    /// Nothing is inheritable that is not ambient.
    R09,
    /// An id that is not one is refused.
    R10,
    /// The cgroup file system shows the service's own cgroup, read-only.
    R11,
    /// A session of its own.
    R15,
    /// A flag holds for every mount below, too.
    R18,
    /// Nothing that was handed in changes its owner.
    R22,
}

/// Whether the rule's guard is in place.
#[cfg(not(feature = "weaken"))]
pub(crate) const fn holds(_: Rule) -> bool {
    true
}

#[cfg(feature = "weaken")]
pub use switch::{MARKER, without};

#[cfg(feature = "weaken")]
pub(crate) use switch::holds;

#[cfg(feature = "weaken")]
mod switch {
    use std::cell::Cell;

    use super::Rule;

    /// What only a program that can be weakened contains.
    pub const MARKER: &str = "this orlop can be weakened: its guards have a switch, never ship it";

    thread_local! {
        /// Of this thread alone, which is the one that clones: other tests keep their guards.
        static AWAY: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    /// Does something without the rule's guard.
    pub fn without<T>(rule: Rule, attack: impl FnOnce() -> T) -> T {
        AWAY.set(Some(rule));
        let result = attack();
        AWAY.set(None);
        result
    }

    pub(crate) fn holds(rule: Rule) -> bool {
        std::hint::black_box(MARKER);
        AWAY.get() != Some(rule)
    }
}
