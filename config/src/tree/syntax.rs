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
}

impl<'a> Document<'a> {
    /// Parses the text of `findings`, reporting each syntax error.
    pub(crate) fn parse(findings: &mut Findings<'a>) -> Self {
        let text = findings.text.text;
        let nothing = Self {
            table: DeTable::new(),
            whole: false,
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
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut last_line = 0;
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            let line = findings.text.line_number(span.start);
            // What follows on the same line is nearly always the same mistake.
            if line == last_line {
                continue;
            }
            last_line = line;
            let message = sentence(
                error,
                findings.text.line_at(span.start),
                &text_of(text, error),
            );
            findings.error(
                &Place {
                    span,
                    key: String::new(),
                },
                message,
            );
        }
        Self {
            table: table.into_inner(),
            whole: errors.is_empty(),
        }
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
    let known = |start: &str| message.starts_with(start);
    if known("string values must be quoted") {
        format!("text needs quotes; write \"{}\"", found.trim())
    } else if known("duplicate key") {
        format!("\"{found}\" is here a second time; keep one of the two")
    } else if known("unclosed array") {
        "the list has no end; write ] after its last entry".to_owned()
    } else if known("unclosed inline table") {
        "the table has no end; write } after its last entry".to_owned()
    } else if known("unclosed table") {
        "the section's name has no end; write it as [name]".to_owned()
    } else if known("missing comma") {
        "a comma is missing before this entry; write , between entries".to_owned()
    } else if known("extra comma") {
        "is a comma too many; remove it".to_owned()
    } else if known("cannot recurse further") {
        "brackets are nested too deep; write at most 80 in one another".to_owned()
    } else if known("missing value") || known("key with no value") {
        "the key has no value; write key = value".to_owned()
    } else if known("missing assignment") || known("invalid key-value pair") {
        "is no key with a value; write key = value".to_owned()
    } else if known("cannot extend value") {
        "has a value already and cannot get keys below it; write all of it in one place".to_owned()
    } else if known("invalid basic string") || known("invalid literal string") {
        "the text has no end; write a closing quote on the same line".to_owned()
    } else {
        format!("is not TOML: {message}")
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
