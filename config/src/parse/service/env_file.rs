//! `env_file`: files of the service's folder with a variable a line, as Compose reads them. `$` is an
//! ordinary character here too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeValue;

use super::environment::is_name;
use crate::check::{Content, FolderFiles};
use crate::keys::Section;
use crate::scalar::folder_relative;
use crate::tree::{Fields, Findings, Node, Place};
use crate::{ServiceName, SourceFile};

/// How large a file may be: as much as execve(2) takes in all.
const LARGEST: usize = 2 << 20;

/// An entry of the list.
struct Entry {
    path: PathBuf,
    required: bool,
    raw: bool,
}

/// The variables of all files; a later file wins.
pub(super) fn variables(
    node: &Node<'_>,
    service: &ServiceName,
    files: &FolderFiles,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let entries = match node.value {
        DeValue::Table(_) => Some(vec![node.clone()]),
        _ => node.one_or_list(findings),
    };
    for node in entries.unwrap_or_default() {
        let Some(entry) = entry(&node, findings) else {
            continue;
        };
        let shown = format!("services/{service}/{}", entry.path.display());
        let why = match files.read(service.as_str(), &entry.path) {
            Content::Bytes(bytes) if bytes.len() > LARGEST => "is larger than 2 MiB".to_owned(),
            Content::Bytes(bytes) => match String::from_utf8(bytes) {
                Ok(text) => {
                    let source = SourceFile { path: shown, text };
                    findings.elsewhere(&source, |inner| read(entry.raw, &mut variables, inner));
                    continue;
                }
                Err(_) => "is not UTF-8".to_owned(),
            },
            Content::Missing if !entry.required => continue,
            Content::Missing => "does not exist".to_owned(),
            Content::Unreadable(why) => format!("cannot be read: {why}"),
        };
        node.error(
            findings,
            format!("the file {shown} {why}; write it, or remove it here"),
        );
    }
    variables
}

fn entry(node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Entry> {
    let (path, required, raw) = match node.value.as_table() {
        None => (node.clone(), true, false),
        Some(table) => {
            let fields = Fields::read(table, Section::EnvFile, &node.place.key, findings);
            let required = fields.get("required").and_then(|n| n.boolean(findings));
            let format = fields.get("format");
            let raw = match format.and_then(|n| n.string(findings)) {
                Some("raw") => true,
                Some(_) => {
                    format?.refuse(findings, "is no format: raw is the only one");
                    false
                }
                None => false,
            };
            let Some(path) = fields.get("path") else {
                node.refuse(findings, "has no path");
                return None;
            };
            (path.clone(), required.unwrap_or(true), raw)
        }
    };
    let text = path.string(findings)?;
    let path = path.parsed(findings, text, folder_relative(text))?;
    Some(Entry {
        path,
        required,
        raw,
    })
}

/// One file.
fn read(raw: bool, variables: &mut BTreeMap<String, String>, findings: &mut Findings<'_>) {
    let text = findings.text.text;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let line = rest.split('\n').next().unwrap_or(rest);
        let start = at;
        at += line.len() + 1;
        let words = line.trim();
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        let wrong = match line.split_once('=') {
            None => "has no value",
            Some((name, rest)) => {
                let from = start + name.len() + 1;
                let (name, value) = match raw {
                    true => {
                        let value = rest.trim_end_matches('\r').to_owned();
                        (name.trim_start(), Some((value, rest.len())))
                    }
                    // What is in quotes may go on over lines.
                    false => {
                        let name = name.trim();
                        let name = name.strip_prefix("export ").unwrap_or(name).trim_start();
                        (name, text.get(from..).and_then(unquoted))
                    }
                };
                match value {
                    _ if !is_name(name) => "does not begin with a variable's name",
                    Some((value, length)) => {
                        variables.insert(name.to_owned(), value);
                        let end = from + length;
                        let rest = text.get(end..).unwrap_or_default();
                        at = end + rest.find('\n').map_or(rest.len(), |length| length + 1);
                        continue;
                    }
                    None => {
                        at = text.len();
                        "has a quote without an end"
                    }
                }
            }
        };
        let place = Place {
            span: start..start + line.len(),
            key: String::new(),
        };
        findings.error(&place, format!("{wrong}; write KEY=value"));
    }
}

/// The value at the start of a text, and how many bytes of it that is: to the end of the line or a
/// comment, or what stands in quotes; `None` when they have no end.
fn unquoted(text: &str) -> Option<(String, usize)> {
    let line = text.split('\n').next().unwrap_or(text);
    let bare = line.trim_start_matches([' ', '\t']);
    let blank = line.len() - bare.len();
    let quote = bare.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        // A comment begins behind a blank.
        let mut value = line;
        for comment in [" #", "\t#"] {
            value = value.split(comment).next().unwrap_or(value);
        }
        if bare.starts_with('#') {
            value = "";
        }
        return Some((value.trim().to_owned(), line.len()));
    };
    let mut value = String::new();
    let inside = text.get(blank + 1..)?;
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((value, blank + 1 + at + 1)),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(raw: bool, text: &str) -> Result<Vec<(String, String)>, Vec<String>> {
        let source = SourceFile {
            path: "services/web/app.env".to_owned(),
            text: text.to_owned(),
        };
        let mut findings = Findings::new(&source);
        let mut variables = BTreeMap::new();
        read(raw, &mut variables, &mut findings);
        let found = findings.into_diagnostics();
        match found.is_empty() {
            true => Ok(variables.into_iter().collect()),
            false => Err(found.iter().map(ToString::to_string).collect()),
        }
    }

    fn is(raw: bool, text: &str, wanted: &[(&str, &str)]) {
        let wanted = wanted.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        assert_eq!(told(raw, text), Ok(wanted.collect()), "{text}");
    }

    #[test]
    fn lines_as_compose_reads_them() {
        is(
            false,
            "# one\n\nA=1\nexport B = two words # not this\r\nC=\nD=a#b\nE='it''s'\n",
            &[
                ("A", "1"),
                ("B", "two words"),
                ("C", ""),
                ("D", "a#b"),
                ("E", "it"),
            ],
        );
        is(
            false,
            "A=\"x\\ty\\\"\" # c\nB='$HOME \\n'\nC=\"two\nlines\"\nD=$x${y}",
            &[
                ("A", "x\ty\""),
                ("B", "$HOME \\n"),
                ("C", "two\nlines"),
                ("D", "$x${y}"),
            ],
        );
        is(false, "", &[]);
        is(false, "A=1\nA=2", &[("A", "2")]);
    }

    #[test]
    fn raw_lines_are_what_they_are() {
        is(
            true,
            "A=\"1\" # c\n  B= x \n#C=1\n",
            &[("A", "\"1\" # c"), ("B", " x ")],
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let says = |text: &str| told(false, text).unwrap_err();
        assert_eq!(
            says("A=1\nB\nC=2\n= x\n"),
            [
                "services/web/app.env:2:1: has no value; write KEY=value",
                "services/web/app.env:4:1: does not begin with a variable's name; write KEY=value",
            ]
        );
        assert_eq!(
            says("A=\"1\nB=2\n"),
            ["services/web/app.env:1:1: has a quote without an end; write KEY=value"]
        );
    }
}
