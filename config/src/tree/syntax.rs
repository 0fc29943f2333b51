//! TOML syntax: the tree that can be read in spite of errors, and the errors in our words.

use toml::de::{DeTable, Error};

use crate::compact::sort_by;
use crate::tree::depth::too_deep;
use crate::tree::findings::{Findings, Place};
use crate::tree::project::project;
use crate::tree::sentence::{is_about_text, sentence};
use crate::tree::text::shown;

/// The largest manifest that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// What could be read; empty when nothing could.
    pub(crate) table: DeTable<'a>,
    /// Whether the text is TOML throughout. If not, a missing key may just not have been read.
    pub(crate) whole: bool,
    /// Where an unclosed bracket makes the rest meaningless.
    pub(crate) swallowed_from: Option<usize>,
}

impl<'a> Document<'a> {
    /// Parses the text of `findings`, reporting each syntax error.
    pub(crate) fn parse(findings: &mut Findings<'a>) -> Self {
        let text = findings.text.text;
        let nothing = Self {
            table: DeTable::new(),
            whole: false,
            swallowed_from: None,
        };
        if text.len() > LARGEST {
            let size = text.len().div_ceil(1024);
            findings.error(
                &Place::default(),
                format!(
                    "is {size} KiB large; a manifest has at most 1024 KiB, put the rest into files"
                ),
            );
            return nothing;
        }
        if let Some(span) = too_deep(text) {
            let place = Place {
                span,
                key: String::new(),
            };
            findings.error(&place, "is a key with too many dots; write at most 16");
            return nothing;
        }
        if text.starts_with("\u{fffd}\u{fffd}") && text.contains('\0') {
            findings.error(&Place::default(), "is UTF-16; write the file in UTF-8");
            return nothing;
        }
        report_replaced(findings);
        let (table, mut errors) = DeTable::parse_recoverable(text);
        let place = |error: &Error| error.span().map_or(0, |span| span.start);
        sort_by(&mut errors, |a, b| place(a).cmp(&place(b)));
        let whole = errors.is_empty();
        if !whole && let Some((span, message)) = project(text) {
            let key = String::new();
            findings.error(&Place { span, key }, message);
            return nothing;
        }
        let swallowed_from = report_unclosed(&errors, findings);
        let mut last_line = 0;
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            let line = findings.text.line_number(span.start);
            // What follows on the same line is nearly always the same mistake.
            if line == last_line || swallowed_from.is_some_and(|from| span.start >= from) {
                continue;
            }
            last_line = line;
            let at = findings.text.offset_in_line(span.start);
            let line_text = findings.text.line_at(span.start);
            let message = sentence(error, line_text, at, &text_of(text, error));
            let key = String::new();
            findings.error(&Place { span, key }, message);
        }
        Self {
            table: table.into_inner(),
            whole,
            swallowed_from,
        }
    }
}

/// Whoever reads a file puts U+FFFD where it is not UTF-8. Each such line is told, since what was
/// meant there is lost.
fn report_replaced(findings: &mut Findings<'_>) {
    let mut last_line = 0;
    for (at, found) in findings.text.text.match_indices('\u{fffd}') {
        let line = findings.text.line_number(at);
        if line == last_line {
            continue;
        }
        last_line = line;
        let place = Place {
            span: at..at + found.len(),
            key: String::new(),
        };
        findings.error(
            &place,
            "a character here is not UTF-8; write the file in UTF-8",
        );
    }
}

/// A bracket that is never closed swallows the rest of the file, and the parser reports each line
/// of it. One finding says it, at the first line that cannot be meant as an entry; what stands
/// behind that place was not understood.
fn report_unclosed(errors: &[Error], findings: &mut Findings<'_>) -> Option<usize> {
    let unclosed = errors.iter().find(|error| {
        let message = error.message();
        message.starts_with("unclosed array, ") || message.starts_with("unclosed inline table")
    })?;
    let end = unclosed.span()?;
    // Text without an end took the bracket with it.
    let text = errors.iter().find(|error| is_about_text(error.message()));
    if let Some((error, span)) = text.and_then(|error| Some((error, error.span()?))) {
        let found = text_of(findings.text.text, error);
        let message = sentence(error, findings.text.line_at(span.start), 0, &found);
        let at = span.start;
        let key = String::new();
        findings.error(&Place { span, key }, message);
        return Some(at);
    }
    let (what, bracket) = match unclosed.message().starts_with("unclosed array") {
        true => ("list", ']'),
        false => ("table", '}'),
    };
    // The line that opens the bracket may have errors too, but it is the first one that has.
    let complaints = errors
        .iter()
        .filter(|error| error.message().starts_with("missing comma"));
    let mut starts = complaints.filter_map(|error| Some(error.span()?.start));
    let (at, message) = match starts.find(|at| begins_key(findings.text.line_at(*at))) {
        Some(at) => (
            findings.text.line_start(at),
            format!("the {what} above has no end; write {bracket} before this line"),
        ),
        None => (
            end.start,
            format!("the {what} has no end; write {bracket} after its last entry"),
        ),
    };
    let key = String::new();
    findings.error(&Place { span: at..at, key }, message);
    Some(at)
}

/// Whether a line looks like `key = …` or `[section]`.
fn begins_key(line: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'"');
    let line = line.trim();
    match line.split_once('=') {
        Some((key, _)) => !key.trim().is_empty() && key.trim().bytes().all(word),
        None => line.starts_with('[') && line.ends_with(']'),
    }
}

/// The text that the error is about.
fn text_of(text: &str, error: &Error) -> String {
    let span = error.span().unwrap_or(0..0);
    shown(text.get(span).unwrap_or(""))
}
