//! What a machine's folder has for editors: the JSON Schemas of its files, and the first line of each
//! file that names its own. Beside the files, so that they are explained without a network.

use std::borrow::Cow;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;
use orlop_config::keys::Section;
use orlop_config::schema_text;

/// Where the schemas lie, below the machine's folder.
const FOLDER: &str = ".orlop";

/// A file with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// services/NAME/service.toml
    Service,
    /// system.toml
    System,
}

impl SchemaOf {
    const ALL: [SchemaOf; 2] = [SchemaOf::Service, SchemaOf::System];

    fn section(self) -> Section {
        match self {
            SchemaOf::Service => Section::Service,
            SchemaOf::System => Section::System,
        }
    }

    fn file(self) -> &'static str {
        match self {
            SchemaOf::Service => "service.schema.json",
            SchemaOf::System => "system.schema.json",
        }
    }

    /// The line that names the schema, as it is read from where the file lies.
    fn line(self) -> String {
        let up = match self {
            SchemaOf::Service => "../../",
            SchemaOf::System => "./",
        };
        format!("#:schema {up}{FOLDER}/{}\n", self.file())
    }
}

/// Prints the schema of a file to stdout.
///
/// # Errors
/// When stdout is closed.
pub fn print_schema(of: SchemaOf) -> Result<()> {
    let text = schema_text(of.section());
    let mut stdout = std::io::stdout();
    stdout.write_all(text.as_bytes()).context("write to stdout")
}

/// Writes both schemas below a machine's folder, over older ones.
///
/// # Errors
/// When they cannot be written.
pub fn write_schemas(machine: &Path) -> Result<()> {
    let folder = machine.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    for of in SchemaOf::ALL {
        let path = folder.join(of.file());
        fs::write(&path, schema_text(of.section()))
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// A file of a machine as it is written first: a manifest begins with the line that names its
/// schema. `name` is the file's last component.
#[must_use]
pub fn with_schema_line<'a>(name: &str, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    let of = match name {
        "service.toml" => SchemaOf::Service,
        "system.toml" => SchemaOf::System,
        _ => return Cow::Borrowed(bytes),
    };
    Cow::Owned([of.line().as_bytes(), bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_leads_from_the_file_to_its_schema() {
        let machine = tempfile::tempdir().unwrap();
        write_schemas(machine.path()).unwrap();
        for (file, folder) in [("system.toml", "."), ("service.toml", "services/web")] {
            fs::create_dir_all(machine.path().join(folder)).unwrap();
            let text = String::from_utf8(with_schema_line(file, b"x = 1\n").into_owned()).unwrap();
            let (line, rest) = text.split_once('\n').unwrap();
            let relative = line.strip_prefix("#:schema ").unwrap();
            let schema = fs::read(machine.path().join(folder).join(relative)).unwrap();
            let schema: serde_json::Value = serde_json::from_slice(&schema).unwrap();
            assert_eq!((schema["title"].as_str(), rest), (Some(file), "x = 1\n"));
        }
        assert_eq!(with_schema_line("nginx.conf", b"x"), b"x".as_slice());
    }
}
