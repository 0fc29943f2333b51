//! One value of the tree with its place and its key's entry in the key table.

use std::fmt;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::keys::Key;
use crate::tree::findings::{Findings, Place};
use crate::tree::text::quoted;

/// How many entries a list or table may have.
pub(crate) const ENTRIES: usize = 4096;
/// How many bytes a string may have: what execve(2) takes as one argument (MAX_ARG_STRLEN).
const STRING: usize = 131_071;

/// A value, where it stands, and what the key table says about its key.
#[derive(Debug, Clone)]
pub(crate) struct Node<'t> {
    /// The place of the value.
    pub(crate) place: Place,
    /// The value.
    pub(crate) value: &'t DeValue<'t>,
    /// The entry of the nearest key above that has one.
    pub(crate) key: &'static Key,
}

impl<'t> Node<'t> {
    /// A value below a key: `path` is the whole dotted key.
    pub(crate) fn new(path: String, value: &'t Spanned<DeValue<'t>>, key: &'static Key) -> Self {
        Self {
            place: Place {
                span: value.span(),
                key: path,
            },
            value: value.get_ref(),
            key,
        }
    }

    /// Reports that the value is of another type: `must be a string in quotes, not a list; write …`.
    pub(crate) fn wrong_type(&self, findings: &mut Findings<'_>, wanted: &str) {
        let found = type_name(self.value);
        let example = self.key.example;
        findings.error(
            &self.place,
            format!("must be {wanted}, not {found}; write {example}"),
        );
    }

    /// The same where a list of text is wanted: text alone is most likely the list's one entry.
    pub(crate) fn no_list(&self, findings: &mut Findings<'_>, wanted: &str) {
        let Key { name, example, .. } = *self.key;
        let text = match self.value {
            DeValue::String(text) => text,
            DeValue::Integer(number) => number.as_str(),
            _ => return self.wrong_type(findings, wanted),
        };
        // A list of tables has no such entry.
        if !example.contains('"') || example.contains("[{") {
            return self.wrong_type(findings, wanted);
        }
        let found = type_name(self.value);
        // A comma alone separates options within an entry.
        let entries = quoted(text).replace(", ", "\", \"");
        self.error(
            findings,
            format!("must be {wanted}, not {found}; write {name} = [{entries}]"),
        );
    }

    /// Reports what is wrong with the value.
    pub(crate) fn error(&self, findings: &mut Findings<'_>, message: impl Into<String>) {
        findings.error(&self.place, message);
    }

    /// Reports what is wrong and shows the key's example.
    pub(crate) fn refuse(&self, findings: &mut Findings<'_>, what: &str) {
        let example = self.key.example;
        findings.error(&self.place, format!("{what}; write {example}"));
    }

    /// What a parser made of the text, or its words reported with the key's example.
    pub(crate) fn parsed<T>(
        &self,
        findings: &mut Findings<'_>,
        text: &str,
        result: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(what) => {
                self.refuse(findings, &format!("{} {what}", quoted(text)));
                None
            }
        }
    }

    /// The string; a bounded one without NUL.
    pub(crate) fn string(&self, findings: &mut Findings<'_>) -> Option<&'t str> {
        let Some(text) = self.value.as_str() else {
            self.wrong_type(findings, "text in quotes");
            return None;
        };
        self.bounded(findings, text)
    }

    /// The string, or the number as it is written.
    pub(crate) fn string_or_number(&self, findings: &mut Findings<'_>) -> Option<String> {
        match self.value {
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Float(number) => Some(number.to_string()),
            DeValue::String(text) => self.bounded(findings, text).map(str::to_owned),
            _ => {
                self.wrong_type(findings, "text in quotes or a number");
                None
            }
        }
    }

    fn bounded<'s>(&self, findings: &mut Findings<'_>, text: &'s str) -> Option<&'s str> {
        if text.len() > STRING {
            let size = text.len();
            self.error(
                findings,
                format!("is {size} bytes long; write at most {STRING} (the kernel's limit of one argument)"),
            );
            return None;
        }
        if text.contains('\0') {
            self.error(
                findings,
                "contains a NUL character, which no program can be given; remove it",
            );
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, findings: &mut Findings<'_>) -> Option<bool> {
        if let Some(text @ ("true" | "false")) = self.value.as_str() {
            self.error(
                findings,
                format!("must be true or false without quotes; write {text}"),
            );
            return None;
        }
        let truth = match self.value.as_str() {
            Some("yes" | "on") => Some(true),
            Some("no" | "off") => Some(false),
            _ => None,
        };
        if let Some(truth) = truth {
            self.error(findings, format!("must be true or false; write {truth}"));
            return None;
        }
        let value = self.value.as_bool();
        if value.is_none() {
            self.wrong_type(findings, "true or false");
        }
        value
    }

    /// A whole number within 64 bits.
    pub(crate) fn integer(&self, findings: &mut Findings<'_>) -> Option<i64> {
        let Some(number) = self.value.as_integer() else {
            if let Some(number) = self
                .value
                .as_str()
                .and_then(|text| text.parse::<i64>().ok())
            {
                self.error(
                    findings,
                    format!("must be a number without quotes; write {number}"),
                );
                return None;
            }
            self.wrong_type(findings, "a whole number");
            return None;
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        if value.is_none() {
            self.refuse(
                findings,
                &format!("{} is too large", quoted(number.as_str())),
            );
        }
        value
    }

    /// The entries of a list, each with its index in its key.
    pub(crate) fn list(&self, findings: &mut Findings<'_>) -> Option<Vec<Node<'t>>> {
        let Some(list) = self.value.as_array() else {
            self.no_list(findings, "a list");
            return None;
        };
        self.entries(findings, list)
    }

    /// The entries of a list, or the one string as if it were a list of itself (as Compose does).
    pub(crate) fn one_or_list(&self, findings: &mut Findings<'_>) -> Option<Vec<Node<'t>>> {
        match self.value {
            DeValue::String(_) => Some(vec![self.clone()]),
            DeValue::Array(list) => self.entries(findings, list),
            _ => {
                self.wrong_type(findings, "text in quotes or a list of it");
                None
            }
        }
    }

    fn entries(&self, findings: &mut Findings<'_>, list: &'t DeArray<'t>) -> Option<Vec<Node<'t>>> {
        self.count(findings, list.len())?;
        let entry = |(index, value): (usize, &'t Spanned<DeValue<'t>>)| {
            Node::new(format!("{}[{index}]", self.place.key), value, self.key)
        };
        Some(list.iter().enumerate().map(entry).collect())
    }

    /// A list of strings.
    pub(crate) fn strings(&self, findings: &mut Findings<'_>) -> Option<Vec<String>> {
        let entries = self.list(findings)?;
        let before = findings.errors();
        let strings = entries
            .iter()
            .filter_map(|entry| entry.string(findings).map(str::to_owned))
            .collect();
        (findings.errors() == before).then_some(strings)
    }

    /// The table.
    pub(crate) fn table(&self, findings: &mut Findings<'_>) -> Option<&'t DeTable<'t>> {
        let Some(table) = self.value.as_table() else {
            self.wrong_type(findings, "a table");
            return None;
        };
        self.count(findings, table.len())?;
        Some(table)
    }

    /// The table's entries whose keys are names that the person chose: each key with its place.
    pub(crate) fn named(
        &self,
        findings: &mut Findings<'_>,
    ) -> Option<Vec<(&'t str, Place, Node<'t>)>> {
        let table = self.table(findings)?;
        let entry = |(key, value): (&'t Spanned<_>, &'t Spanned<DeValue<'t>>)| {
            let name: &'t std::borrow::Cow<'t, str> = key.get_ref();
            let path = format!("{}.{}", self.place.key, key_text(name));
            let place = Place {
                span: key.span(),
                key: path.clone(),
            };
            (name.as_ref(), place, Node::new(path, value, self.key))
        };
        Some(table.iter().map(entry).collect())
    }

    fn count(&self, findings: &mut Findings<'_>, count: usize) -> Option<()> {
        if count > ENTRIES {
            self.error(
                findings,
                format!("has {count} entries; write at most {ENTRIES}"),
            );
            return None;
        }
        Some(())
    }
}

/// A key as it is written in TOML: in quotes when it must be.
pub(crate) fn key_text(key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !key.is_empty() && key.len() <= 60 && key.bytes().all(bare) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

/// What a value is, in words.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(time) if time.date.is_none() => "a time",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
