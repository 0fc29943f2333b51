//! The kernel's own account of a run: its tracepoints, as trace_pipe prints them
//! (Documentation/trace/ftrace.rst), and what must hold in it.

mod away;
mod parse;
mod story;

use std::time::Duration;

pub use away::longest_away;
pub use parse::parse;
pub use story::{Life, Story};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// CLOCK_BOOTTIME.
    pub at: Duration,
    /// Who ran when it happened, by the machine's own numbers.
    pub actor: i32,
    /// What happened.
    pub what: What,
}

/// What the kernel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A child was made.
    Fork {
        /// Its number.
        child: i32,
    },
    /// The actor has become this program.
    Exec {
        /// As it was called; of a script the script.
        program: String,
    },
    /// The actor, or one of its threads, is ending.
    Exit,
    /// Somebody has sent a signal.
    Signal {
        /// Its number.
        number: i32,
        /// Who gets it.
        target: i32,
    },
    /// A cgroup, with all below it, has got its first or lost its last process.
    Populated {
        /// Its path from the hierarchy's root.
        cgroup: String,
        /// Which of both.
        populated: bool,
    },
    /// The actor, PID 1, begins to wait for something to happen (epoll_wait(2)).
    Waits,
    /// It goes on.
    GoesOn,
    /// The test's own words.
    Mark(String),
}
