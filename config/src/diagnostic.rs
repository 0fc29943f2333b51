//! What is wrong with a manifest, said so that a person can fix it at first sight.

use std::fmt;

/// One manifest's text with the path it is shown under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// As shown in messages, such as `services/web/service.toml`: relative to the machine's folder,
    /// the same on the workstation and in the machine.
    pub path: String,
    /// The whole text. Bytes that are not UTF-8 are a diagnostic of whoever read the file.
    pub text: String,
}

/// Whether a manifest can be used in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The service (or section) is not used.
    Error,
    /// Said, and used all the same.
    Warning,
}

/// One finding. Its `Display` is the one line
/// `services/web/service.toml:3:1: port: unknown key; write "ports" instead`;
/// [`Diagnostic::render`] adds the line itself with carets under the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file's path as shown.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The text of that line, shortened when very long, without control characters.
    pub line_text: String,
    /// How many characters of `line_text` stand before the place.
    pub caret: usize,
    /// How many characters the place is wide, at least 1.
    pub caret_width: usize,
    /// The key it is about, such as `depends_on.db.condition`; empty for a syntax error.
    pub key: String,
    /// What is wrong and what to write instead, one sentence.
    pub message: String,
}

impl Diagnostic {
    /// The finding for a terminal: the sentence, the line it is about, carets under the place.
    /// Three lines (one when the file is empty), without a newline at the end.
    #[must_use]
    pub fn render(&self) -> String {
        if self.line_text.is_empty() {
            return self.to_string();
        }
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let before = " ".repeat(self.caret);
        let carets = "^".repeat(self.caret_width);
        format!(
            "{self}\n {number} | {}\n {gutter} | {before}{carets}",
            self.line_text
        )
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}
