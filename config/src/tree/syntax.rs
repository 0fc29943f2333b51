//! TOML syntax: the tree that can be read in spite of errors, and the errors in our words.

use toml::de::{DeTable, Error};

use crate::tree::depth::too_deep;
use crate::tree::findings::{Findings, Place};
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
        let (table, mut errors) = DeTable::parse_recoverable(text);
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        let whole = errors.is_empty();
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
            let message = sentence(
                error,
                findings.text.line_at(span.start),
                &text_of(text, error),
            );
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

/// A bracket that is never closed swallows the rest of the file, and the parser reports each line
/// of it. One finding says it, at the first line that cannot be meant as an entry; what stands
/// behind that place was not understood.
fn report_unclosed(errors: &[Error], findings: &mut Findings<'_>) -> Option<usize> {
    let unclosed = errors.iter().find(|error| {
        let message = error.message();
        message.starts_with("unclosed array, ") || message.starts_with("unclosed inline table")
    })?;
    let end = unclosed.span()?;
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

/// The parser's finding with what to write instead.
fn sentence(error: &Error, line: &str, found: &str) -> String {
    if let Some(instead) = from_yaml(line) {
        return format!("is YAML; in TOML write {instead}");
    }
    let message = error.message();
    if message.starts_with("duplicate key") {
        return format!("\"{found}\" is here a second time; keep one of the two");
    }
    // The parser guesses the type by the first letter: nginx would be a nan, traefik a true.
    let guessed = [
        "string values must",
        "invalid float",
        "invalid boolean",
        "invalid integer",
    ];
    if guessed.iter().any(|start| message.starts_with(start)) {
        return unquoted(found.trim());
    }
    let known = SENTENCES
        .iter()
        .find(|(start, _)| message.starts_with(start));
    match known {
        Some((_, sentence)) => (*sentence).to_owned(),
        None => format!("is not TOML ({message}); write key = value"),
    }
}

/// The beginnings of the parser's messages, and our sentence for each.
const SENTENCES: &[(&str, &str)] = &[
    (
        "cannot extend value",
        "has a value already and cannot get keys below it; write all of it in one place",
    ),
    (
        "cannot recurse further",
        "brackets are nested too deep; write at most 80 in one another",
    ),
    (
        "carriage return",
        "a carriage return stands alone; write plain line ends",
    ),
    ("extra `=`", "is one = too many; write key = value"),
    (
        "extra assignment",
        "a comma is missing before this; write , between entries",
    ),
    ("extra comma", "is a comma too many; remove it"),
    (
        "invalid basic string",
        "the text has no end; write a closing \" on the same line",
    ),
    (
        "invalid comment",
        "a comment contains a control character; remove it",
    ),
    ("invalid date", "is no date; write text in quotes"),
    (
        "invalid literal string",
        "the text has no end; write a closing ' on the same line",
    ),
    (
        "invalid multi-line basic",
        "the text has no end; write a closing \"\"\"",
    ),
    (
        "invalid multi-line literal",
        "the text has no end; write a closing '''",
    ),
    (
        "invalid unquoted key",
        "is no key; write letters, digits, - and _ only, or the key in quotes",
    ),
    (
        "key with no value",
        "the key has no value; write key = value",
    ),
    (
        "keys cannot be multi-line",
        "is no key; write it on one line",
    ),
    (
        "missing assignment",
        "the key has no value; write key = value",
    ),
    (
        "missing comma",
        "a comma is missing before this entry; write , between entries",
    ),
    (
        "missing escaped value",
        "a backslash begins an escape; write \\\\ for the backslash itself, or 'text' in single quotes",
    ),
    ("missing value", "the key has no value; write key = value"),
    (
        "too few unicode",
        "the escape is too short; write \\u and four digits",
    ),
    (
        "unclosed",
        "the section's name has no end; write it as [name]",
    ),
    (
        "unexpected leading zero",
        "a number has no leading zeros; write it without, or in quotes if it is text",
    ),
    (
        "unexpected",
        "nothing may follow here; write each key = value on a line of its own",
    ),
    (
        "unquoted keys cannot be empty",
        "the key has no name; write key = value",
    ),
];

/// A value without quotes.
fn unquoted(found: &str) -> String {
    match found.to_ascii_lowercase().as_str() {
        "" => "the key has no value; write key = value".to_owned(),
        "true" | "yes" | "on" => {
            format!("{found} is no value in TOML; write true, or text in quotes: \"{found}\"")
        }

        "false" | "no" | "off" => {
            format!("{found} is no value in TOML; write false, or text in quotes: \"{found}\"")
        }
        _ => format!("text needs quotes; write \"{found}\""),
    }
}

/// What a line of YAML, which Compose users know, is in TOML.
fn from_yaml(line: &str) -> Option<String> {
    let line = line.trim();
    if let Some(entry) = line.strip_prefix("- ") {
        let entry = entry.trim().trim_matches(['"', '\'']);
        return Some(format!("lists in brackets: [\"{}\"]", shown(entry)));
    }
    let (key, value) = line.split_once(':')?;
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if key.is_empty() || !key.bytes().all(word) || !(value.is_empty() || value.starts_with(' ')) {
        return None;
    }
    let value = value.trim().trim_matches(['"', '\'']);
    Some(match value {
        "" => format!("{key} = […] or [{key}]"),
        "true" | "false" => format!("{key} = {value}"),
        _ if value.starts_with(['[', '{']) => format!("{key} = {}", shown(value)),
        _ => format!("{key} = \"{}\"", shown(value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_recognised_and_translated() {
        assert_eq!(
            from_yaml("image: nginx").as_deref(),
            Some("image = \"nginx\"")
        );
        assert_eq!(
            from_yaml("  read_only: true").as_deref(),
            Some("read_only = true")
        );
        assert_eq!(
            from_yaml("  - \"80:80\"").as_deref(),
            Some("lists in brackets: [\"80:80\"]")
        );
        assert_eq!(from_yaml("image = nginx:1.25"), None);
    }
}
