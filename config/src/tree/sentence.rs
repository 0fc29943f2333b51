//! The TOML parser's messages in our words, each with what to write instead.

use toml::de::Error;

use crate::tree::text::shown;

/// The parser's finding with what to write instead.
pub(crate) fn sentence(error: &Error, line: &str, found: &str) -> String {
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
    let quotes = value.contains(['"', '\'']);
    let value = value.trim().trim_matches(['"', '\'']);
    Some(match value {
        "" => format!("{key} = […] or [{key}]"),
        "true" | "false" => format!("{key} = {value}"),
        _ if !quotes && value.parse::<i64>().is_ok() => format!("{key} = {value}"),
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
        assert_eq!(from_yaml("scale: 3").as_deref(), Some("scale = 3"));
        assert_eq!(from_yaml("cpus: \"3\"").as_deref(), Some("cpus = \"3\""));
        assert_eq!(from_yaml("image = nginx:1.25"), None);
    }
}
