//! The JSON Schemas and the parser agree: what one takes the other takes, but for what no schema can
//! say. Both come from the key table; here each is asked about the other's documents.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::Validator;
use orlop_config::keys::{Section, Shape, Support};
use orlop_config::{Checked, SourceFile, Sources, check, schema, schema_text};
use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::{Map, Value, json};

#[path = "hostile/words.rs"]
mod words;

/// The two files, with the name of their schemas.
const FILES: [(Section, &str); 2] = [
    (Section::Service, "service.schema.json"),
    (Section::System, "system.schema.json"),
];

/// What the parser says when a schema would have known: a key that is none, a value of another type.
const STRUCTURAL: [&str; 8] = [
    "unknown key",
    "is a Compose key that is not supported yet",
    "is an extension field",
    "is no key of",
    "must be a table",
    "must be text",
    "must be true or false",
    "nothing reads a version here",
];

fn is_structural(message: &str) -> bool {
    let wrong_type = message.starts_with("must be ") && message.contains(", not ");
    wrong_type || STRUCTURAL.iter().any(|part| message.contains(part))
}

/// Made once: compiling the patterns takes longer than asking.
fn validator(file: Section) -> &'static Validator {
    static SERVICE: LazyLock<Validator> = LazyLock::new(|| compiled(Section::Service));
    static SYSTEM: LazyLock<Validator> = LazyLock::new(|| compiled(Section::System));
    match file {
        Section::System => &SYSTEM,
        _ => &SERVICE,
    }
}

#[expect(clippy::expect_used, reason = "a schema that is none fails the test")]
fn compiled(file: Section) -> Validator {
    jsonschema::draft7::new(&schema(file)).expect("a schema")
}

/// The file as a schema's validator sees it; nothing when it is not TOML.
fn document(text: &str) -> Option<Value> {
    let text = text.trim_start_matches('\u{feff}');
    toml::from_str(text).ok()
}

fn is_valid(validator: &Validator, text: &str) -> Result<(), String> {
    let document = document(text).unwrap_or(Value::Null);
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors.join("\n")),
    }
}

/// A lone file of that kind, checked.
fn checked(file: Section, text: &str) -> Checked {
    let source = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let mut sources = Sources {
        images: ["nginx".to_owned()].into(),
        ..Sources::default()
    };
    match file {
        Section::System => sources.system = Some(source("system.toml", text)),
        _ => {
            let path = "services/web/service.toml";
            sources
                .services
                .insert("web".to_owned(), source(path, text));
        }
    }
    check(&sources)
}

fn fixtures(folder: &str) -> Vec<(PathBuf, Section, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let manifests = paths.filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let found: Vec<_> = manifests
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let file = match name.starts_with("system_") {
                true => Section::System,
                false => Section::Service,
            };
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            (path, file, text)
        })
        .collect();
    assert!(!found.is_empty());
    found
}

#[test]
fn the_printed_schemas_are_those_of_the_key_table() {
    for (file, name) in FILES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/schema")
            .join(name);
        if std::env::var_os("ORLOP_BLESS").is_some() {
            fs::write(&path, schema_text(file)).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap();
        assert!(
            written == schema_text(file),
            "docs/schema/{name} is old; run ORLOP_BLESS=1 cargo test -p orlop-config --test schema"
        );
        assert!(jsonschema::meta::is_valid(&schema(file)), "{name}");
    }
}

/// The sections that a shape leads to.
fn sections(shape: &Shape, found: &mut Vec<Section>) {
    match shape {
        Shape::Table(section) => found.push(*section),
        Shape::List(of) | Shape::Named(_, of) => sections(of, found),
        Shape::Any(shapes) => shapes.iter().for_each(|shape| sections(shape, found)),
        _ => {}
    }
}

/// Every object with properties that a schema has.
fn objects<'a>(schema: &'a Value, found: &mut Vec<&'a Map<String, Value>>) {
    match schema {
        Value::Object(map) => {
            found.extend(map.get("properties").and_then(Value::as_object));
            map.values().for_each(|value| objects(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

#[test]
fn the_properties_are_the_supported_keys_of_all_sections() {
    let mut reached = BTreeSet::new();
    for (file, _) in FILES {
        let mut pending = vec![file];
        let mut wanted: BTreeSet<Vec<&str>> = BTreeSet::new();
        while let Some(section) = pending.pop() {
            reached.insert(format!("{section:?}"));
            let rows = section.keys().iter().zip(section.columns());
            let mut names = Vec::new();
            for (key, column) in rows.filter(|(key, _)| key.support == Support::Supported) {
                names.push(key.name);
                sections(&column.shape, &mut pending);
            }
            names.sort_unstable();
            wanted.insert(names);
        }
        let schema = schema(file);
        let mut found = Vec::new();
        objects(&schema, &mut found);
        let found: BTreeSet<Vec<&str>> = found
            .iter()
            .map(|object| object.keys().map(String::as_str).collect())
            .collect();
        assert_eq!(found, wanted, "{file:?}");
    }
    // A section that no shape names would be in no schema.
    assert_eq!(reached.len(), Section::ALL.len());
}

#[test]
fn every_property_is_explained() {
    for (file, _) in FILES {
        let schema = schema(file);
        let mut found = Vec::new();
        objects(&schema, &mut found);
        for (name, property) in found.into_iter().flatten() {
            let about = property.get("description").and_then(Value::as_str);
            assert!(about.is_some_and(|text| !text.is_empty()), "{name}");
        }
    }
}

#[test]
fn good_manifests_and_all_examples_are_valid() {
    for (path, file, text) in fixtures("accept") {
        let valid = is_valid(validator(file), &text);
        assert_eq!(valid, Ok(()), "{}", path.display());
    }
    for section in Section::ALL {
        for (key, column) in section.keys().iter().zip(section.columns()) {
            if key.support != Support::Supported
                || key.example.contains(" with ")
                || key.example.contains('…')
            {
                continue;
            }
            let schema = json!({ "properties": { key.name: value_schema(section, key.name) } });
            let validator = jsonschema::draft7::new(&schema).unwrap();
            let valid = is_valid(&validator, key.example);
            assert_eq!(valid, Ok(()), "{section:?} {:?}", column.shape);
        }
    }
}

/// The schema of one key, from wherever its section is.
#[expect(clippy::expect_used, reason = "a key without a schema fails the test")]
fn value_schema(section: Section, key: &str) -> Value {
    let names: Vec<&str> = {
        let keys = section.keys().iter();
        let supported = keys.filter(|key| key.support == Support::Supported);
        supported.map(|key| key.name).collect()
    };
    let schemas = FILES.map(|(file, _)| schema(file));
    let mut found = Vec::new();
    for schema in &schemas {
        objects(schema, &mut found);
    }
    let object = found
        .into_iter()
        .find(|o| o.len() == names.len() && names.iter().all(|name| o.contains_key(*name)));
    object.expect("the section's object")[key].clone()
}

#[test]
fn unknown_keys_and_wrong_types_are_no_valid_files() {
    let mut compared = 0;
    for (path, file, text) in fixtures("reject") {
        if document(&text).is_none() {
            continue;
        }
        let told = checked(file, &text).diagnostics;
        let structural = told.iter().find(|d| is_structural(&d.message));
        if let Some(finding) = structural {
            compared += 1;
            assert!(
                is_valid(validator(file), &text).is_err(),
                "{}: the schema has nothing against {finding}",
                path.display()
            );
        }
    }
    assert!(compared >= 30, "{compared}");
}

/// A value that a schema allows.
fn allowed(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        return Union::new(any.iter().map(allowed)).boxed();
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return prop::sample::select(words.clone()).boxed();
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        return matching(pattern).prop_map(Value::String).boxed();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => any::<bool>().prop_map(Value::Bool).boxed(),
        Some("integer") => {
            let bound = |name| schema.get(name).and_then(Value::as_i64);
            let most = bound("maximum").unwrap_or(i64::MAX);
            (bound("minimum").unwrap_or(i64::MIN)..=most)
                .prop_map(|number| json!(number))
                .boxed()
        }
        Some("number") => prop_oneof![
            (0..100_000i64).prop_map(|number| json!(number)),
            (0..4000i32).prop_map(|number| json!(f64::from(number) / 100.0)),
        ]
        .boxed(),
        Some("string") => "\\PC{0,12}".prop_map(Value::String).boxed(),
        Some("array") => prop::collection::vec(allowed(&schema["items"]), 0..4)
            .prop_map(Value::Array)
            .boxed(),
        _ => allowed_table(schema),
    }
}

fn allowed_table(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(named) = schema.get("patternProperties").and_then(Value::as_object) {
        let (pattern, value) = named.iter().next().unwrap();
        return prop::collection::btree_map(matching(pattern), allowed(value), 0..4)
            .prop_map(|entries| Value::Object(entries.into_iter().collect()))
            .boxed();
    }
    let properties = schema["properties"].as_object().unwrap();
    if properties.is_empty() {
        return Just(json!({})).boxed();
    }
    let entries = properties.iter().map(|(name, value)| {
        let name = name.clone();
        allowed(value)
            .prop_map(move |value| (name.clone(), value))
            .boxed()
    });
    prop::collection::vec(Union::new(entries), 0..6)
        .prop_map(|entries| Value::Object(entries.into_iter().collect()))
        .boxed()
}

/// Text that matches a pattern; what may follow an open end is short.
fn matching(pattern: &str) -> BoxedStrategy<String> {
    let body = pattern.strip_prefix('^').unwrap_or(pattern);
    let body = match body.strip_suffix('$') {
        Some(whole) => whole.to_owned(),
        None => format!("({body})[ -~]{{0,9}}"),
    };
    prop::string::string_regex(&body).unwrap().boxed()
}

/// The parser has nothing against what the schema allows but what it means.
fn assert_only_meaning(file: Section, document: &Value) {
    let text = toml::to_string(document).unwrap();
    for finding in checked(file, &text).diagnostics {
        assert!(!is_structural(&finding.message), "{finding}\n{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_schema_allows_is_refused_for_its_meaning_only(
        service in allowed(&schema(Section::Service)), system in allowed(&schema(Section::System)),
    ) {
        assert_only_meaning(Section::Service, &service);
        assert_only_meaning(Section::System, &system);
    }

    #[test]
    fn what_the_parser_takes_is_valid(
        lines in prop::collection::btree_map(
            prop::sample::select(words::GOOD_KEYS), any::<prop::sample::Index>(), 1..6,
        ),
        hostile in words::toml(),
    ) {
        let lines: Vec<&str> = lines.iter().map(|(ways, at)| *at.get(ways)).collect();
        let good = format!("{}{}\n", words::GOOD, lines.join("\n"));
        for (file, text) in [
            (Section::Service, good),
            (Section::Service, format!("{}{hostile}\n", words::GOOD)),
            (Section::System, hostile),
        ] {
            if !checked(file, &text).has_errors() {
                let valid = is_valid(validator(file), &text);
                assert_eq!(valid, Ok(()), "{text}");
            }
        }
    }

    /// One key at a time, with whatever value: what is taken is valid.
    #[test]
    fn each_value_that_the_parser_takes_is_valid(value in words::value()) {
        for (file, _) in FILES {
            let validator = validator(file);
            for key in file.keys().iter().filter(|key| key.support == Support::Supported) {
                let beside = match (file, key.name) {
                    (Section::System, _) => "",
                    (_, "image") => "command = [\"a\"]\n",
                    (_, "command") => "image = \"nginx\"\n",
                    _ => words::GOOD,
                };
                let text = format!("{beside}{} = {value}\n", key.name);
                if !checked(file, &text).has_errors() {
                    assert_eq!(is_valid(validator, &text), Ok(()), "{text}");
                }
            }
        }
    }
}
