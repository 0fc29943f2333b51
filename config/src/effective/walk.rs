//! One file's keys, written or not, by the key table.

use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::toml_inline;
use crate::keys::{Column, Key, Section, Shape, Support};
use crate::schema::literal;
use crate::tree::Text;

/// One key with the value that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveKey {
    /// As it is written at the top of the file, such as `healthcheck.interval`.
    pub key: String,
    /// The value.
    pub value: EffectiveValue,
    /// Where that comes from.
    pub source: ValueSource,
    /// Whether it is written, or could be so without changing anything.
    pub writable: bool,
}

/// A value, or why there is none to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum EffectiveValue {
    /// The value.
    Literal(Value),
    /// There is none, and nothing in its place.
    Unset,
    /// What holds instead, which no value of the key says or only the machine knows.
    Words(String),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// A line of a manifest.
    Manifest {
        /// The file, as messages show it.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// A line of a manifest that another key stands on: the other spelling of this one, or the
    /// machine's.
    OtherKey {
        /// The other key.
        key: String,
        /// The file, as messages show it.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// A file that `env_file` names.
    EnvFile(String),
    /// The default.
    Default,
    /// A default that follows from another key, which is shown as it stands.
    Follows(String),
}

impl EffectiveKey {
    /// The key as a line of TOML; `None` without a value.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        match &self.value {
            EffectiveValue::Literal(value) => {
                Some(format!("{} = {}", self.key, toml_inline(value)))
            }
            EffectiveValue::Unset | EffectiveValue::Words(_) => None,
        }
    }
}

/// Adds the keys of a section that stands at `path` (empty for the file itself).
pub(super) fn walk(
    table: &DeTable<'_>,
    section: Section,
    path: &str,
    text: &Text<'_>,
    found: &mut Vec<EffectiveKey>,
) {
    let rows = section.keys().iter().zip(section.columns());
    for (key, column) in rows.filter(|(key, _)| key.support == Support::Supported) {
        let path = joined(path, key.name);
        let mut entries = table.iter();
        match entries.find(|(name, _)| name.get_ref() == key.name) {
            Some((name, value)) => {
                let at = name.span().start;
                // The sections of system.toml count even when they are empty.
                if let (Section::System, Shape::Table(inner), DeValue::Table(table)) =
                    (section, &column.shape, value.get_ref())
                {
                    walk(table, *inner, &path, text, found);
                    continue;
                }
                written(value.get_ref(), &column.shape, &path, at, text, found);
            }
            None => not_written(key, column, section, path, text, found),
        }
    }
}

fn not_written(
    key: &Key,
    column: &Column,
    section: Section,
    path: String,
    text: &Text<'_>,
    found: &mut Vec<EffectiveKey>,
) {
    // The sections of system.toml count whether they are written or not.
    if let (Section::System, Shape::Table(inner)) = (section, &column.shape) {
        walk(&DeTable::new(), *inner, &path, text, found);
        return;
    }
    debug_assert_eq!(path.rsplit('.').next(), Some(key.name), "keys are bare");
    found.push(EffectiveKey {
        key: path,
        value: default(column),
        source: ValueSource::Default,
        writable: false,
    });
}

/// The key table's default.
fn default(column: &Column) -> EffectiveValue {
    if let Some(value) = literal(column.default, &column.shape) {
        return EffectiveValue::Literal(value);
    }
    match column.default {
        "empty" | "none" => EffectiveValue::Literal(empty(&column.shape).unwrap_or(json!(""))),
        "–" | "no limit" | "never" => EffectiveValue::Unset,
        words => EffectiveValue::Words(words.to_owned()),
    }
}

/// A list or table without entries; `None` when it is text.
fn empty(shape: &Shape) -> Option<Value> {
    match shape {
        Shape::List(_) => Some(json!([])),
        Shape::Named(..) => Some(json!({})),
        Shape::Any(shapes) => shapes.iter().find_map(empty),
        _ => None,
    }
}

fn written(
    value: &DeValue<'_>,
    shape: &Shape,
    path: &str,
    at: usize,
    text: &Text<'_>,
    found: &mut Vec<EffectiveKey>,
) {
    if let DeValue::Table(table) = value
        && !table.is_empty()
    {
        if let Some(section) = section_of(shape) {
            return walk(table, section, path, text, found);
        }
        if let Some(of) = named(shape) {
            for (name, value) in table {
                let path = joined(path, &toml_key(name.get_ref()));
                written(value.get_ref(), of, &path, name.span().start, text, found);
            }
            return;
        }
    }
    found.push(EffectiveKey {
        key: path.to_owned(),
        value: EffectiveValue::Literal(json_of(value)),
        source: ValueSource::Manifest {
            file: text.path.to_owned(),
            line: text.line_number(at),
        },
        writable: true,
    });
}

/// The section that a table at this place is.
fn section_of(shape: &Shape) -> Option<Section> {
    match shape {
        Shape::Table(section) => Some(*section),
        Shape::Any(shapes) => shapes.iter().find_map(section_of),
        _ => None,
    }
}

/// What the entries of a table of one's own names are.
fn named(shape: &Shape) -> Option<&'static Shape> {
    match shape {
        Shape::Named(_, of) => Some(of),
        Shape::Any(shapes) => shapes.iter().find_map(named),
        _ => None,
    }
}

fn joined(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

/// A key as TOML has it: in quotes when it must be.
pub(super) fn toml_key(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    match !name.is_empty() && name.bytes().all(bare) {
        true => name.to_owned(),
        false => toml_inline(&json!(name)),
    }
}

fn json_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text.as_ref()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or_else(|_| json!(number.to_string()), |number| json!(number))
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse::<f64>();
            parsed.map_or_else(|_| json!(number.to_string()), |number| json!(number))
        }
        DeValue::Boolean(word) => json!(word),
        DeValue::Datetime(date) => json!(date.to_string()),
        DeValue::Array(list) => list.iter().map(|entry| json_of(entry.get_ref())).collect(),
        DeValue::Table(table) => {
            let entry = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let name: &std::borrow::Cow<'_, str> = name.get_ref();
                (name.to_string(), json_of(value.get_ref()))
            };
            Value::Object(table.iter().map(entry).collect::<Map<_, _>>())
        }
    }
}
