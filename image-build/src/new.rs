//! `orlop new`: a machine's folder to start from.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::catalogue::{CatalogueService, catalogue};
use crate::editor::{with_schema_line, write_schemas};

/// `system.toml` of a new machine: every key, with its default, and its services' volumes.
pub(crate) const SYSTEM_TOML: &str = include_str!("starter/system.toml");
/// `.gitignore` of a new machine.
const GITIGNORE: &str = include_str!("starter/gitignore");

/// The services of a new machine: what makes it usable, and two to see it work. `orlop add` has the
/// others.
const STARTER: [&str; 6] = ["console", "dhcp", "gateway", "log", "nginx", "redis"];

fn starter() -> impl Iterator<Item = CatalogueService> {
    let in_starter = |service: &CatalogueService| STARTER.contains(&service.name.as_str());
    catalogue().into_iter().filter(in_starter)
}

/// Makes `dir` (and what is above it) a machine's folder: a commented `system.toml` and the
/// services to start from, with the schemas that explain them to editors.
///
/// # Errors
/// When `dir` is there and not empty, or cannot be written.
pub fn new(dir: &Path) -> Result<()> {
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!(
                    "{} is not empty; name a folder that does not exist yet",
                    dir.display()
                );
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("open {}", dir.display())),
    }
    let system = with_schema_line("system.toml", SYSTEM_TOML.as_bytes());
    write(&dir.join("system.toml"), &system)?;
    write_schemas(dir)?;
    write(&dir.join(".gitignore"), GITIGNORE.as_bytes())?;
    for service in starter() {
        service.write(&dir.join("services").join(&service.name))?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine_folder::MachineFolder;

    #[test]
    fn a_new_machine_has_no_errors() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("some/machine");
        new(&dir).unwrap();
        let checked = MachineFolder::load(&dir).unwrap().check();
        let said: Vec<String> = checked
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said, [""; 0]);
        let names: Vec<&str> = checked.services.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, STARTER);
    }

    #[test]
    fn what_is_there_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine"), "x").unwrap();
        let error = new(folder.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("is not empty; name a folder that does not exist yet"),
            "{error}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
