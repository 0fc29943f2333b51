//! The TOML parser's messages in our words, each with what to write instead.

use toml::de::Error;

use crate::tree::habit::habit;
use crate::tree::text::shown;

/// The parser's finding with what to write instead. `at` is where in the line it stopped, in bytes.
pub(crate) fn sentence(error: &Error, line: &str, at: usize, found: &str) -> String {
    let message = error.message();
    // Within text, a line of YAML or of a shell is what was meant.
    if !is_about_text(message)
        && let Some(sentence) = habit(line, at)
    {
        return sentence;
    }
    if message.starts_with("duplicate key") {
        return format!("\"{found}\" is here a second time; keep one of the two");
    }
    // The parser guesses the type by the first letter: nginx would be a nan, traefik a true.
    let guessed = [
        "string values must",
        "invalid float",
        "invalid boolean",
        "invalid integer",
        "invalid time",
        "invalid date",
    ];
    if guessed.iter().any(|start| message.starts_with(start)) {
        let word = word_at(line, at).filter(|_| !found.contains(' '));
        return unquoted(word.unwrap_or(found).trim(), line);
    }
    let known = SENTENCES
        .iter()
        .find(|(start, _)| message.starts_with(start));
    match known {
        Some((_, sentence)) => (*sentence).to_owned(),
        None => format!("is not TOML ({message}); write key = value"),
    }
}

/// Whether the parser's finding is about text without an end.
pub(super) fn is_about_text(message: &str) -> bool {
    [
        "invalid basic string",
        "invalid literal string",
        "invalid multi-line",
    ]
    .iter()
    .any(|start| message.starts_with(start))
}

/// The whole word around a place: the parser begins in the middle of `127.0.0.1:80`.
fn word_at(line: &str, at: usize) -> Option<&str> {
    let (before, after) = line.split_at_checked(at)?;
    let begins = before
        .rfind([' ', '\t', ',', '=', '[', '{'])
        .map_or(0, |at| at + 1);
    let ends = after
        .find([' ', '\t', ',', ']', '}', '#'])
        .unwrap_or(after.len());
    line.get(begins..at + ends)
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
        "a carriage return stands alone; write the file with line ends of Unix (LF) or Windows (CR LF)",
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

/// A value without quotes, on its line.
fn unquoted(found: &str, line: &str) -> String {
    match found.to_ascii_lowercase().as_str() {
        // Compose's own word, which is no truth.
        "no" if line.trim_start().starts_with("restart") => {
            "text needs quotes; write restart = \"no\"".to_owned()
        }
        "" => "the key has no value; write key = value".to_owned(),
        "true" | "yes" | "on" => {
            format!("{found} is no value in TOML; write true, or text in quotes: \"{found}\"")
        }

        "false" | "no" | "off" => {
            format!("{found} is no value in TOML; write false, or text in quotes: \"{found}\"")
        }
        "null" | "none" | "nil" | "~" => {
            format!(
                "{found} is no value in TOML; remove the key, or write text in quotes: \"{found}\""
            )
        }
        _ => format!("text needs quotes; write \"{}\"", shown(found)),
    }
}
