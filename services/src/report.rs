//! Telling on standard error. A standard error that is gone leaves nobody to tell.

use std::error::Error;
use std::io::Write;

/// One line.
pub(crate) fn line(applet: &str, text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{applet}: {text}"));
}

/// An error and its causes, one line.
pub(crate) fn error(applet: &str, error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    line(applet, &text);
}
