//! The command line that the machine's `orlop` and the workstation's share: `ps`, `logs`, `boot`,
//! `start`, `stop`, `restart`, `kill`, `exec`, `poweroff`, `reboot`, `halt`.
//!
//! [`parse`] takes the words behind the program's own options, [`run`] does it over a connection.

mod boot;
mod exec;
mod parse;
mod run;
mod screen;
mod table;

pub use parse::{BootForm, UsageError, Verb, parse};
pub use run::{Outcome, VerbError, run};
pub use screen::Screen;
pub use table::{duration, escape, listing};

/// Exit status: done.
pub const EXIT_DONE: u8 = 0;
/// Exit status: the machine said no, or could not be asked.
pub const EXIT_FAILED: u8 = 1;
/// Exit status: the command line is wrong.
pub const EXIT_USAGE: u8 = 2;

/// Every verb as typed, and what it does, for `--help`.
pub const VERBS: [(&str, &str); 11] = [
    ("ps [--json]", "the services and their state"),
    (
        "logs [-f] [-n LINES] [--json] [NAME]",
        "what services wrote; -f goes on",
    ),
    (
        "boot [--json | --svg]",
        "what the last boot took its time for",
    ),
    ("start NAME...", "start services"),
    ("stop NAME...", "stop services"),
    ("restart NAME...", "restart services"),
    (
        "kill [-s SIGNAL] NAME...",
        "send a signal, SIGTERM by default",
    ),
    (
        "exec [-e KEY=VALUE] [-u USER] [-w DIR] NAME COMMAND...",
        "run a command in a service",
    ),
    ("poweroff", "stop all services, then the machine"),
    ("reboot", "stop all services, then boot again"),
    ("halt", "stop all services, keep the power"),
];

/// One line a verb.
#[must_use]
pub fn help() -> String {
    let width = VERBS.iter().map(|(usage, _)| usage.len()).max();
    let width = width.unwrap_or_default();
    let lines = VERBS.map(|(usage, what)| format!("  {usage:width$}  {what}\n"));
    lines.concat()
}

/// Whether a word is one of the verbs.
#[must_use]
pub fn is_verb(word: &str) -> bool {
    VERBS
        .iter()
        .any(|(usage, _)| usage.split(' ').next() == Some(word))
}
