//! The JSON Schema of a manifest, made from the key table that the parser walks: what editors
//! complete, explain and underline. Draft 7, the newest that taplo and the editors around it read.
//!
//! Only the workstation asks for it; the linker leaves it out of PID 1.

use serde_json::{Map, Value, json};

use crate::keys::{Column, Form, Key, Section, Shape, Support};

/// The schema of the file that a section is the top of: [`Section::Service`] for `service.toml`,
/// [`Section::System`] for `system.toml`. Every supported key with what it does, its default, its
/// example and what may stand as its value; no other key may be written.
///
/// It takes whatever the parser takes. What it cannot say (that a name is declared, that two keys
/// contradict each other) is left to `orlop check`.
#[must_use]
pub fn schema(file: Section) -> Value {
    let mut schema = object(file);
    let about = match file {
        Section::System => {
            "A machine of Orlop. https://json-schema.org for editors; `orlop check` says more."
        }
        _ => {
            "A service of Orlop: the keys of the Compose Specification's service in TOML. `orlop check` says more."
        }
    };
    schema.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    schema.insert("title".to_owned(), json!(file.title()));
    schema.insert("description".to_owned(), json!(about));
    Value::Object(schema)
}

/// The same as text, as it is written beside a machine.
#[must_use]
pub fn schema_text(file: Section) -> String {
    format!("{:#}\n", schema(file))
}

fn object(section: Section) -> Map<String, Value> {
    let rows = section.keys().iter().zip(section.columns());
    let properties: Map<String, Value> = rows
        .filter(|(key, _)| key.support == Support::Supported)
        .map(|(key, column)| (key.name.to_owned(), Value::Object(property(key, column))))
        .collect();
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("properties".to_owned(), Value::Object(properties));
    object.insert("additionalProperties".to_owned(), json!(false));
    object
}

fn property(key: &Key, column: &Column) -> Map<String, Value> {
    let mut property = value(&column.shape);
    let about = column.about;
    let description = match column.default {
        "–" | "" => about.to_owned(),
        default => format!("{about} Default: {default}."),
    };
    property.insert("description".to_owned(), json!(description));
    if let Some(default) = literal(column.default, &column.shape) {
        property.insert("default".to_owned(), default);
    }
    if let Some(example) = example(key) {
        property.insert("examples".to_owned(), json!([example]));
    }
    property
}

/// What a shape is in a schema.
fn value(shape: &Shape) -> Map<String, Value> {
    let made = match shape {
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Whole(least, i64::MAX) => json!({ "type": "integer", "minimum": least }),
        Shape::Whole(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Text(form) => text(form),
        Shape::TextOrNumber(form) => json!({ "anyOf": [text(form), { "type": "number" }] }),
        Shape::Choice(words) => json!({ "type": "string", "enum": words }),
        Shape::List(of) => json!({ "type": "array", "items": value(of) }),
        Shape::Table(section) => Value::Object(object(*section)),
        Shape::Named(form, of) => {
            let names = match form.pattern {
                "" => "^.*$",
                pattern => pattern,
            };
            let mut named = Map::new();
            named.insert(names.to_owned(), Value::Object(value(of)));
            json!({ "type": "object", "patternProperties": named, "additionalProperties": false })
        }
        Shape::Any(shapes) => {
            let any: Vec<Map<String, Value>> = shapes.iter().map(value).collect();
            json!({ "anyOf": any })
        }
    };
    match made {
        Value::Object(made) => made,
        _ => Map::new(),
    }
}

fn text(form: &Form) -> Value {
    match (form.pattern, form.known) {
        ("", _) => json!({ "type": "string" }),
        (pattern, []) => json!({ "type": "string", "pattern": pattern }),
        (pattern, known) => {
            json!({ "type": "string", "anyOf": [{ "enum": known }, { "pattern": pattern }] })
        }
    }
}

/// A default that is one value, such as `` `10s` `` or 3; not one that depends on something.
pub(crate) fn literal(default: &str, shape: &Shape) -> Option<Value> {
    let text = match default.strip_prefix('`') {
        Some(rest) => rest.strip_suffix('`').filter(|text| !text.contains('`'))?,
        None if default.bytes().all(|b| b.is_ascii_digit()) => default,
        None => return None,
    };
    match (text.parse::<i64>(), text.parse::<bool>()) {
        (Ok(number), _) => Some(json!(number)),
        (_, Ok(word)) if *shape == Shape::Boolean => Some(json!(word)),
        _ => Some(json!(text)),
    }
}

/// The value that the key's example gives it.
fn example(key: &Key) -> Option<Value> {
    // A shortened one is for people.
    if key.example.contains('…') {
        return None;
    }
    let mut table: Map<String, Value> = toml::from_str(key.example).ok()?;
    let example = table.remove(key.name)?;
    // `[kernel]` shows a section, not a value.
    (!example.as_object().is_some_and(Map::is_empty)).then_some(example)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_one_value_or_words() {
        let text = Shape::Choice(&[]);
        assert_eq!(literal("`10s`", &text), Some(json!("10s")));
        assert_eq!(literal("`true`", &Shape::Boolean), Some(json!(true)));
        assert_eq!(literal("3", &text), Some(json!(3)));
        assert_eq!(literal("`2048`", &text), Some(json!(2048)));
        assert_eq!(literal("`a` unless `b`", &text), None);
        assert_eq!(literal("the service's name", &text), None);
        assert_eq!(literal("–", &text), None);
    }
}
