//! `orlop config`: the effective manifests, each key with the place that its value comes from, and
//! the table of deviations from Compose.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result, bail};
use clap::Args;
use orlop_config::{
    EffectiveKey, EffectiveManifest, EffectiveValue, ValueSource, deviations_text, effective,
    nearest,
};
use serde_json::{Map, Value, json};

use crate::check::{has_errors, report};
use crate::directory::Directory;
use crate::machine_folder::MachineFolder;

/// The longest line that its source stands behind; behind a longer one it goes above it.
const COLUMN: usize = 44;

/// What `orlop config` is asked for.
#[derive(Debug, Args)]
pub struct ConfigOptions {
    /// Services; all and system.toml when none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    directory: Directory,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Every key of Compose's service: taken, taken with a difference, or refused with the reason
    #[arg(long, conflicts_with_all = ["names", "json"])]
    deviations: bool,
}

/// Prints the effective manifests of a machine. Returns the exit code: 1 when a manifest has an error
/// (each is told, and the good ones are printed), else 0.
///
/// # Errors
/// When the folder is no machine's, there is no such service, or stdout is closed.
pub fn config(options: &ConfigOptions) -> Result<u8> {
    if options.deviations {
        print(&deviations_text())?;
        return Ok(0);
    }
    let folder = MachineFolder::load(options.directory.path())?;
    let checked = folder.check();
    // A closed stderr changes nothing of the exit code.
    let _ = std::io::stderr().write_all(report(&checked).as_bytes());
    let mut all = effective(folder.sources(), &checked);
    for name in &options.names {
        let is_it = |manifest: &EffectiveManifest| manifest.service.as_ref() == Some(name);
        if all.iter().any(is_it) || checked.broken.contains_key(name) {
            continue;
        }
        let known = all.iter().filter_map(|one| one.service.as_deref());
        match nearest(name, known) {
            Some(near) => bail!("there is no service {name}; did you mean {near}?"),
            None => bail!("there is no service {name}"),
        }
    }
    if !options.names.is_empty() {
        all.retain(|one| {
            one.service
                .as_ref()
                .is_some_and(|name| options.names.contains(name))
        });
    }
    print(&match options.json {
        true => format!("{:#}\n", as_json(&all)),
        false => as_text(&all),
    })?;
    Ok(u8::from(has_errors(&checked)))
}

fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(text.as_bytes()).context("write to stdout")
}

fn as_json(all: &[EffectiveManifest]) -> Value {
    let mut services = Map::new();
    let mut system = Value::Null;
    for manifest in all {
        let keys: Map<String, Value> = manifest.keys.iter().map(key_json).collect();
        match &manifest.service {
            Some(name) => {
                services.insert(name.clone(), Value::Object(keys));
            }
            None => system = Value::Object(keys),
        }
    }
    json!({ "system": system, "services": services })
}

fn key_json(key: &EffectiveKey) -> (String, Value) {
    let from = match (&key.value, &key.source) {
        // No value says it.
        (EffectiveValue::Words(words), _) => json!({ "default": true, "means": words }),
        (_, ValueSource::Manifest { file, line }) => json!({ "file": file, "line": line }),
        (_, ValueSource::OtherKey { key, file, line }) => {
            json!({ "file": file, "line": line, "key": key })
        }
        (_, ValueSource::EnvFile(files)) => json!({ "env_file": files }),
        (_, ValueSource::Default) => json!({ "default": true }),
        (_, ValueSource::Follows(what)) => json!({ "default": true, "follows": what }),
    };
    let value = match &key.value {
        EffectiveValue::Literal(value) => value.clone(),
        EffectiveValue::Unset | EffectiveValue::Words(_) => Value::Null,
    };
    (key.key.clone(), json!({ "value": value, "from": from }))
}

fn as_text(all: &[EffectiveManifest]) -> String {
    let blocks: Vec<String> = all.iter().map(manifest_text).collect();
    blocks.join("\n")
}

/// A manifest that could be used as it is: what is not written and could not be is a comment.
fn manifest_text(manifest: &EffectiveManifest) -> String {
    let mut text = match &manifest.service {
        Some(name) => format!("# {name}: {}\n", manifest.file),
        None => format!("# {}\n", manifest.file),
    };
    let mut absent = Vec::new();
    for key in &manifest.keys {
        let from = from(&key.source, &manifest.file);
        if key.source == ValueSource::Default && is_nothing(&key.value) {
            absent.push(key.key.as_str());
            continue;
        }
        let line = match (key.line(), &key.value) {
            (Some(line), _) if key.writable => line,
            (Some(line), _) => format!("# {line}"),
            (None, EffectiveValue::Words(words)) => format!("# {}: {words}", key.key),
            (None, _) => continue,
        };
        let _strings_take_all = match line.chars().count() <= COLUMN {
            true => writeln!(text, "{line:COLUMN$}  # {from}"),
            false => writeln!(text, "# {from}:\n{line}"),
        };
    }
    if !absent.is_empty() {
        let _strings_take_all = writeln!(text, "# Not written, and nothing: {}", absent.join(", "));
    }
    text
}

/// Whether a default is that there is none of it.
fn is_nothing(value: &EffectiveValue) -> bool {
    match value {
        EffectiveValue::Unset => true,
        EffectiveValue::Literal(Value::Array(list)) => list.is_empty(),
        EffectiveValue::Literal(Value::Object(table)) => table.is_empty(),
        EffectiveValue::Literal(Value::String(text)) => text.is_empty(),
        _ => false,
    }
}

/// Where a value comes from, beside it: a line of the file itself needs no name.
fn from(source: &ValueSource, own: &str) -> String {
    match source {
        ValueSource::Manifest { file, line } if file == own => format!("line {line}"),
        ValueSource::Manifest { file, line } => format!("{file}:{line}"),
        ValueSource::OtherKey { key, file, line } if file == own => format!("line {line}, {key}"),
        ValueSource::OtherKey { key, file, line } => format!("{file}:{line}, {key}"),
        ValueSource::EnvFile(files) => format!("env_file {files}"),
        ValueSource::Default => "default".to_owned(),
        ValueSource::Follows(what) => format!("default, by {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new;

    #[test]
    fn a_new_machine_is_shown_with_every_place() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("machine");
        new(&dir).unwrap();
        let folder = MachineFolder::load(&dir).unwrap();
        let all = effective(folder.sources(), &folder.check());
        let text = as_text(&all);
        let line = |wanted: &str| {
            let mut lines = text.lines();
            let found = lines.find(|line| line.starts_with(wanted));
            found
                .unwrap_or_else(|| panic!("{wanted} in {text}"))
                .to_owned()
        };
        assert!(line("hostname = \"orlop\"").ends_with("# default"));
        assert!(line("read_only = true").ends_with("# default, by isolation = \"restricted\""));
        assert!(line("stop_signal = \"SIGTERM\"").ends_with("# default"));
        assert!(line("kernel.suite = \"bookworm\"").ends_with("# default"));
        assert!(line("network_mode = \"none\"").contains("# line "));

        // What is shown is what the parser takes, with the same meaning.
        for manifest in all.iter().filter(|one| one.service.is_some()) {
            let name = manifest.service.clone().unwrap();
            let path = dir.join("services").join(&name).join("service.toml");
            std::fs::write(path, manifest_text(manifest)).unwrap();
        }
        let again = MachineFolder::load(&dir).unwrap().check();
        assert_eq!(again.diagnostics, []);
        assert_eq!(again.services, folder.check().services);
    }

    #[test]
    fn json_has_values_and_no_sentences_in_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("machine");
        new(&dir).unwrap();
        let web = dir.join("services/web");
        std::fs::create_dir(&web).unwrap();
        let text = "image = \"nginx\"\ncommand = [\"/x\"]\nenv_file = \"a.env\"\n[deploy]\nreplicas = 2\nresources.limits.memory = \"9m\"\n";
        std::fs::write(web.join("service.toml"), text).unwrap();
        std::fs::write(web.join("a.env"), "A=1\n").unwrap();
        let folder = MachineFolder::load(&dir).unwrap();
        let all = effective(folder.sources(), &folder.check());
        let json = as_json(&all);
        let of = |key: &str| json["services"]["web"][key].clone();
        let file = "services/web/service.toml";
        for (key, value, from) in [
            (
                "scale",
                json!(2),
                json!({ "file": file, "line": 5, "key": "deploy.replicas" }),
            ),
            (
                "mem_limit",
                json!("9m"),
                json!({ "file": file, "line": 6, "key": "deploy.resources.limits.memory" }),
            ),
            (
                "oom_score_adj",
                json!(-900),
                json!({ "default": true, "follows": "deploy.resources.limits.memory" }),
            ),
            (
                "tmpfs.\"/run\"",
                json!("size=16m,mode=755"),
                json!({ "default": true, "follows": "read_only = true" }),
            ),
            ("environment.A", json!("1"), json!({ "env_file": "a.env" })),
            ("memswap_limit", json!(-1), json!({ "default": true })),
            ("ports", json!([]), json!({ "default": true })),
            ("watchdog", Value::Null, json!({ "default": true })),
            (
                "cpuset",
                Value::Null,
                json!({ "default": true, "means": "all" }),
            ),
        ] {
            assert_eq!(of(key), json!({ "value": value, "from": from }), "{key}");
        }
        assert_eq!(of("capabilities")["value"], json!([]));
        assert_eq!(of("environment"), Value::Null);
        let timeout = &json["system"]["watchdog.timeout"]["value"];
        assert_eq!(*timeout, Value::Null);
        let text = as_text(&all);
        let (nothing, _) = text.rsplit_once('\n').unwrap();
        let nothing = nothing.rsplit_once('\n').unwrap().1;
        assert!(
            nothing.starts_with("# Not written, and nothing: build, "),
            "{nothing}"
        );
        for key in ["environment", "capabilities", "scale", "tmpfs"] {
            let listed = nothing.split([',', ' ']).any(|word| word == key);
            assert!(!listed, "{key}: {nothing}");
        }
        assert!(
            text.contains(
                "\n# scale = 2                                   # line 5, deploy.replicas\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn json_has_the_same_places() {
        let key = EffectiveKey {
            key: "read_only".to_owned(),
            value: EffectiveValue::Literal(json!(true)),
            source: ValueSource::Manifest {
                file: "services/web/service.toml".to_owned(),
                line: 3,
            },
            writable: true,
        };
        let all = [EffectiveManifest {
            service: Some("web".to_owned()),
            file: "services/web/service.toml".to_owned(),
            keys: vec![key],
        }];
        let value = as_json(&all);
        let place = value.pointer("/services/web/read_only/from/line");
        assert_eq!(place, Some(&json!(3)));
        assert_eq!(
            as_text(&all),
            "# web: services/web/service.toml\nread_only = true                              # line 3\n"
        );
    }
}
