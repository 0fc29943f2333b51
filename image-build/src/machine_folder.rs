//! Reads a machine's folder: `system.toml` and `services/<name>/`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use orlop_config::{Checked, Content, FolderFiles, Sources};

use crate::tree::{Blob, Node, Tree};
use crate::{astray, catalogue};

/// What was read; files that could not be are diagnostics.
#[derive(Debug)]
pub struct MachineFolder {
    /// The folder.
    pub path: PathBuf,
    /// Its name: the machine's.
    pub name: String,
    /// Each service's whole folder, by name.
    pub services: BTreeMap<String, Tree>,
    sources: Sources,
}

impl MachineFolder {
    /// Reads it.
    ///
    /// # Errors
    /// When the folder itself is not there, or is no machine's.
    pub fn load(path: &Path) -> Result<Self> {
        let path = locate(path)?;
        if !astray::is_machine(&path) {
            bail!("{}", astray::no_machine(&path));
        }
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("machine")
            .to_owned();
        let mut folder = Self {
            name,
            services: BTreeMap::new(),
            sources: Sources {
                images: catalogue::images(),
                catalogue: catalogue::names(),
                files: FolderFiles::new(read_below(path.join("services"))),
                ..Sources::default()
            },
            path,
        };
        let system = fs::read(folder.path.join("system.toml")).into();
        folder.sources.add_system(system);
        let services = folder.path.join("services");
        for (name, ending) in astray::services_without_folder(&services) {
            folder.sources.add_service_without_folder(&name, &ending);
        }
        for name in folder.service_names()? {
            let path = services.join(&name);
            let content = fs::read(path.join("service.toml")).into();
            match (&content, astray::instead_of_manifest(&path)) {
                (Content::Missing, Some(found)) => {
                    folder.sources.add_misnamed_service(&name, &found)
                }
                _ => folder.sources.add_service(&name, content),
            }
            match load_tree(&path) {
                Ok(tree) => {
                    folder.services.insert(name, tree);
                }
                Err(error) => {
                    let why = Content::Unreadable(format!("{error:#}"));
                    folder.sources.add_service(&name, why);
                }
            }
        }
        Ok(folder)
    }

    /// Checks everything: every finding of every file, those of the reading included.
    #[must_use]
    pub fn check(&self) -> Checked {
        orlop_config::check_before_build(&self.sources, &|name, path| self.has(name, path))
    }

    /// Whether there is something at a path in a service's folder, be it behind a link.
    fn has(&self, name: &str, path: &Path) -> bool {
        let tree = self.services.get(name);
        let carried = tree.zip(path.to_str());
        let folder = self.path.join("services").join(name);
        carried.is_some_and(|(tree, path)| tree.get(path).is_some())
            || fs::canonicalize(folder.join(path)).is_ok_and(|found| found.starts_with(&folder))
    }

    /// What was read.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// `system.toml` as written; `None` when there is none.
    #[must_use]
    pub fn system_toml(&self) -> Option<&str> {
        self.sources
            .system
            .as_ref()
            .map(|source| source.text.as_str())
    }

    fn service_names(&self) -> Result<Vec<String>> {
        let path = self.path.join("services");
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("list {}", path.display())),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("list {}", path.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The whole path of a machine's folder.
///
/// # Errors
/// A sentence that says what was probably meant, when it is not there.
pub(crate) fn locate(path: &Path) -> Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{}", astray::no_such_folder(path))
        }
        found => found.with_context(|| format!("open {}", path.display())),
    }
}

/// How a file of a service's folder is read. What a link out of the folder leads to would not be in
/// the machine.
fn read_below(services: PathBuf) -> impl Fn(&str, &Path) -> Content {
    move |folder, path| {
        let folder = services.join(folder);
        match fs::canonicalize(folder.join(path)) {
            Ok(file) if file.starts_with(&folder) => fs::read(file).into(),
            Ok(_) => Content::Unreadable("it is a link out of the service's folder".to_owned()),
            Err(error) => Err(error).into(),
        }
    }
}

/// A folder of the workstation as a tree of root's: modes only say who may execute, so that a
/// checkout's umask changes nothing.
fn load_tree(folder: &Path) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut pending = vec![(folder.to_owned(), String::new())];
    while let Some((path, name)) = pending.pop() {
        for entry in fs::read_dir(&path).with_context(|| format!("list {}", path.display()))? {
            let path = entry
                .with_context(|| format!("list {}", path.display()))?
                .path();
            let base = path.file_name().and_then(|base| base.to_str());
            let base =
                base.with_context(|| format!("{}: the name is not UTF-8", path.display()))?;
            let name = if name.is_empty() {
                base.to_owned()
            } else {
                format!("{name}/{base}")
            };
            let found = path
                .symlink_metadata()
                .with_context(|| format!("read {}", path.display()))?;
            let node = if found.is_dir() {
                pending.push((path, name.clone()));
                Node::directory(0o755)
            } else if found.is_symlink() {
                let target =
                    fs::read_link(&path).with_context(|| format!("read {}", path.display()))?;
                Node::symlink(
                    target
                        .to_str()
                        .with_context(|| format!("{}: the target is not UTF-8", path.display()))?,
                )
            } else if found.is_file() {
                let executable = found.permissions().mode() & 0o111 != 0;
                let blob =
                    Blob::from_file(&path).with_context(|| format!("read {}", path.display()))?;
                Node::file(blob, if executable { 0o755 } else { 0o644 })
            } else {
                bail!("{}: neither a file nor a folder nor a link", path.display());
            };
            tree.insert(&name, node)?;
        }
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn said(checked: &Checked) -> Vec<String> {
        checked
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn unreadable_manifests_are_diagnostics_of_their_services() {
        let folder = machine(&[
            ("system.toml", b""),
            (
                "services/bad/service.toml",
                b"image = \"nginx\"\n# \xff\ncommand = [\"/x\"]\n",
            ),
            ("services/none/readme", b""),
        ]);
        let checked = MachineFolder::load(folder.path()).unwrap().check();
        assert_eq!(
            said(&checked),
            [
                "services/bad/service.toml:2:3: a character here is not UTF-8; write the file in UTF-8",
                "services/none/service.toml:1:1: the file is missing; write one, or remove the folder",
            ]
        );
        assert_eq!(checked.broken.keys().collect::<Vec<_>>(), ["bad", "none"]);
    }

    #[test]
    fn files_beside_the_folders_of_services_are_told_where_they_belong() {
        let folder = machine(&[
            ("services/.taplo.toml", b""),
            ("services/README.md", b""),
            ("services/db.toml", b""),
            ("services/docker-compose.yml", b""),
            ("services/web.yml", b""),
        ]);
        let checked = MachineFolder::load(folder.path()).unwrap().check();
        assert_eq!(
            said(&checked),
            [
                "services/db.toml:1:1: a service is a folder; rename it to services/db/service.toml",
                "services/docker-compose.yml:1:1: is not read; write each service of it into services/<name>/service.toml, in TOML",
                "services/web.yml:1:1: is not read; write services/web/service.toml, in TOML",
            ]
        );
    }

    #[test]
    fn files_that_a_manifest_names_must_be_there() {
        let manifest = b"image = \"nginx\"\ncommand = [\"/x\"]\nvolumes = [\"./none:/a\", \"./html/index.html:/b\", \"./html:/c\", \"./linked/index.html:/d\", \".:/e\"]\n";
        let build = b"command = [\"/x\"]\n[build.files]\n\"app.conf\" = \"/etc/app.conf\"\n\"./bin/app\" = \"/usr/bin/app\"\n\"dangling\" = \"/etc/link\"\n";
        let folder = machine(&[
            ("services/web/service.toml", manifest),
            ("services/web/html/index.html", b"hello"),
            ("services/app/service.toml", build),
            ("services/app/app.conf", b""),
        ]);
        let link = |to: &str, at: &str| {
            std::os::unix::fs::symlink(to, folder.path().join(at)).unwrap();
        };
        link("html", "services/web/linked");
        link("/nowhere", "services/app/dangling");
        let checked = MachineFolder::load(folder.path()).unwrap().check();
        assert_eq!(
            said(&checked),
            [
                "services/app/service.toml:4:1: build.files.\"./bin/app\": \"services/app/bin/app\" does not exist; put the file or folder there, or remove it here",
                "services/web/service.toml:3:12: volumes[0]: \"services/web/none\" does not exist; put the file or folder there, or remove it here",
            ]
        );
        assert_eq!(checked.broken.keys().collect::<Vec<_>>(), ["app", "web"]);
    }

    #[test]
    fn a_folder_that_is_no_machine_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = MachineFolder::load(folder.path()).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "no machine here (neither system.toml nor services/); `orlop new DIR` makes one"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_services_folder_is_carried_whole() {
        let folder = machine(&[
            ("services/web/service.toml", b""),
            ("services/web/html/index.html", b"hello"),
        ]);
        std::os::unix::fs::symlink("index.html", folder.path().join("services/web/html/link"))
            .unwrap();
        let loaded = MachineFolder::load(folder.path()).unwrap();
        let names: Vec<&str> = loaded.services["web"]
            .iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(
            names,
            ["", "html", "html/index.html", "html/link", "service.toml"]
        );
    }
}
