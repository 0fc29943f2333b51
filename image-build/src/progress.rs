//! What the user sees of a build: bars on a terminal, one line a step elsewhere.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where steps, bars and warnings go: stderr.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    quiet: bool,
}

impl Progress {
    /// `quiet` leaves only warnings.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// One line that says what was done or is being done.
    pub fn step(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// One line that is said even when quiet.
    pub fn warn(&self, text: &str) {
        say(&format!("warning: {text}"));
    }

    /// One line about what went wrong, as `main` would say it.
    pub fn error(&self, text: &str) {
        say(&format!("orlop: {text}"));
    }

    /// A bar over `len` things; one line when stderr is no terminal. Gone when it is dropped.
    #[must_use]
    pub fn bar(&self, text: &str, len: u64) -> Bar {
        self.bar_like(text, len, "{msg:40!} [{bar:30}] {pos}/{len} {elapsed}")
    }

    /// As [`Progress::bar`], over bytes, with how fast it goes and how long it will take.
    #[must_use]
    pub fn bytes_bar(&self, text: &str, len: u64) -> Bar {
        let like = "{msg:24!} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        self.bar_like(text, len, like)
    }

    fn bar_like(&self, text: &str, len: u64, like: &str) -> Bar {
        let terminal = std::io::stderr().is_terminal() && !self.quiet;
        if !terminal {
            self.step(text);
        }
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(len), target);
        if let Ok(style) = ProgressStyle::with_template(like) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(text.to_owned());
        Bar(bar)
    }
}

/// A running bar.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// Some more of it is done.
    pub fn advance(&self, by: usize) {
        self.0.inc(by as u64);
    }

    /// Some more bytes of it are done.
    pub fn advance_bytes(&self, by: u64) {
        self.0.inc(by);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A line on stderr; a closed stderr is no reason to stop a build.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
