//! `orlop add`: services of the catalogue, put into a machine that is there.
//!
//! What is a user's is never written over: a folder that is there stays, and `system.toml` keeps its
//! order and its comments. The volumes are declared first: were the rest not to succeed, one that
//! nobody uses does no harm.

mod declare;
mod said;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use orlop_config::nearest;

use crate::catalogue::{CatalogueService, catalogue};
use crate::check;
use crate::directory::Directory;
use crate::editor::write_schemas;
use crate::machine_folder::MachineFolder;

/// What to add, and where.
#[derive(Debug, Args)]
pub struct AddOptions {
    /// Services of the catalogue; without any, all of it is listed
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    directory: Directory,
}

/// Adds the services to the machine and says what came of it, or lists the catalogue. Returns the
/// exit code: 1 when the machine has an error now, else 0.
///
/// # Errors
/// When a name is not in the catalogue or in the machine already, the folder is no machine's, or
/// cannot be written. Nothing has been added then, but for a volume that nobody uses.
pub fn add(options: &AddOptions) -> Result<u8> {
    let dir = options.directory.path();
    let all = catalogue();
    if options.names.is_empty() {
        let text = said::list(&all, |name| service_folder(dir, name).exists());
        io::stdout()
            .write_all(text.as_bytes())
            .context("write to stdout")?;
        return Ok(0);
    }
    let chosen = choose(&all, &options.names)?;
    let machine = load(dir)?;
    if let Some(there) = chosen
        .iter()
        .find(|service| service_folder(dir, &service.name).exists())
    {
        bail!(
            "services/{0} is there already, and nothing was changed; to begin anew, remove that folder first",
            there.name
        );
    }
    let volumes: BTreeSet<String> = chosen
        .iter()
        .flat_map(|service| service.volumes())
        .collect();
    let before = machine.system_toml().unwrap_or_default();
    let declared = declare::volumes(before, &volumes)?;
    if declared.text != before {
        replace(&dir.join("system.toml"), declared.text.as_bytes())?;
    }
    // Newer than those of the machine's first day, perhaps; a machine by hand has none.
    write_schemas(dir)?;
    for service in &chosen {
        copy(service, dir)?;
    }
    let checked = MachineFolder::load(dir)?.check();
    let mut text = said::added(&chosen, &declared.new, &checked, dir);
    let errors = check::has_errors(&checked);
    if errors {
        text += "\nThe machine has errors now:\n";
        text += &check::report(&checked);
    }
    io::stderr()
        .write_all(text.as_bytes())
        .context("write to stderr")?;
    Ok(u8::from(errors))
}

/// The services of these names, each once.
fn choose<'a>(all: &'a [CatalogueService], names: &[String]) -> Result<Vec<&'a CatalogueService>> {
    let mut chosen: Vec<&CatalogueService> = Vec::new();
    for name in names {
        let Some(found) = all.iter().find(|service| service.name == *name) else {
            let known = all.iter().map(|service| service.name.as_str());
            match nearest(name, known) {
                Some(near) => bail!("there is no {name} in the catalogue; is it {near}?"),
                None => bail!("there is no {name} in the catalogue; `orlop add` lists it"),
            }
        };
        if !chosen.iter().any(|service| service.name == *name) {
            chosen.push(found);
        }
    }
    Ok(chosen)
}

fn load(dir: &Path) -> Result<MachineFolder> {
    let machine = MachineFolder::load(dir);
    if machine.is_err() && dir == Path::new(".") {
        return machine.context("add to the machine in this folder; `-C DIR` names another");
    }
    machine
}

fn service_folder(dir: &Path, name: &str) -> PathBuf {
    dir.join("services").join(name)
}

/// Copies the catalogue's folder; it is there whole or not at all.
fn copy(service: &CatalogueService, dir: &Path) -> Result<()> {
    let services = dir.join("services");
    fs::create_dir_all(&services).with_context(|| format!("make {}", services.display()))?;
    // A name that begins with a dot is no service's.
    let begun = tempfile::Builder::new()
        .prefix(".add-")
        .tempdir_in(&services)
        .with_context(|| format!("make a folder in {}", services.display()))?;
    let folder = begun.path().join(&service.name);
    service.write(&folder)?;
    let to = services.join(&service.name);
    fs::rename(&folder, &to).with_context(|| format!("write {}", to.display()))
}

/// Puts a file in the place of another one, or of none, at once.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        // Through a link, to what it names.
        let path = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            found => found?,
        };
        let begun = path.with_extension("toml.new");
        fs::write(&begun, bytes)?;
        if let Ok(found) = fs::metadata(&path) {
            fs::set_permissions(&begun, found.permissions())?;
        }
        fs::rename(&begun, &path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests;
