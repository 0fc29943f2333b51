//! The catalogue: ready services, embedded in the tool (`services/<name>/` of the repository).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use orlop_config::{Checked, SourceFile, Sources};

use crate::editor::with_schema_line;
use crate::tree::{Blob, Node, Tree};

/// Path below `services/` and content of each file, sorted.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// One ready service.
#[derive(Debug, Clone)]
pub struct CatalogueService {
    /// Its folder's name.
    pub name: String,
    /// Path in the folder and content of each file, `service.toml` among them.
    pub files: Vec<(&'static str, &'static [u8])>,
}

/// Every ready service, by name.
#[must_use]
pub fn catalogue() -> Vec<CatalogueService> {
    let mut services: BTreeMap<&str, Vec<(&str, &[u8])>> = BTreeMap::new();
    for (path, bytes) in FILES {
        if let Some((name, file)) = path.split_once('/') {
            services.entry(name).or_default().push((file, bytes));
        }
    }
    services
        .into_iter()
        .map(|(name, files)| CatalogueService {
            name: name.to_owned(),
            files,
        })
        .collect()
}

impl CatalogueService {
    /// The folder as a tree.
    ///
    /// # Errors
    /// When a path is not one inside a folder; the build script makes none such.
    pub fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::default();
        for (path, bytes) in &self.files {
            tree.insert(path, Node::file(Blob::from_bytes(*bytes), 0o644))?;
        }
        Ok(tree)
    }

    /// Writes the folder.
    ///
    /// # Errors
    /// When it, or a file in it, cannot be made.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (file, bytes) in &self.files {
            let path = folder.join(file);
            let parent = path.parent().unwrap_or(folder);
            fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
            fs::write(&path, with_schema_line(file, bytes))
                .with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    /// Its manifest.
    #[must_use]
    pub fn manifest(&self) -> Option<&'static str> {
        let found = self.files.iter().find(|(file, _)| *file == "service.toml");
        found.and_then(|(_, bytes)| std::str::from_utf8(bytes).ok())
    }

    /// What it is: the first sentence of its manifest's first comment.
    #[must_use]
    pub fn summary(&self) -> String {
        let lines = self.manifest().unwrap_or_default().lines();
        let comment: Vec<&str> = lines
            // For editors.
            .skip_while(|line| line.starts_with("#:") || line.is_empty())
            .map_while(|line| line.strip_prefix("# "))
            .collect();
        let text = comment.join(" ");
        match text.split_once(". ") {
            Some((first, _)) => first.to_owned(),
            None => text.trim_end_matches('.').to_owned(),
        }
    }

    /// The volumes that it names, whether declared or not.
    #[must_use]
    pub fn volumes(&self) -> BTreeSet<String> {
        let manifest = self.manifest().unwrap_or_default().parse::<toml::Table>();
        let named = manifest.ok().and_then(|mut table| table.remove("volumes"));
        let toml::Value::Array(mounts) = named.unwrap_or(toml::Value::Array(Vec::new())) else {
            return BTreeSet::new();
        };
        let sources = mounts
            .iter()
            .filter_map(|mount| mount.as_str()?.split(':').next());
        let volumes = sources.filter(|source| !source.starts_with('.'));
        volumes.map(str::to_owned).collect()
    }
}

/// The names of all ready services.
#[must_use]
pub fn names() -> BTreeSet<String> {
    catalogue()
        .into_iter()
        .map(|service| service.name)
        .collect()
}

/// The images that the catalogue's services make: a machine's service may name one without having
/// that service.
#[must_use]
pub fn images() -> BTreeSet<String> {
    let checked = check();
    checked
        .services
        .values()
        .filter(|service| service.build.is_some())
        .map(|service| service.image.as_str().to_owned())
        .collect()
}

/// The catalogue's own manifests, checked, as if one machine had all of them.
#[must_use]
pub fn check() -> Checked {
    let all = catalogue();
    // Somebody's key, as `ssh` wants one.
    let mut system = "[access]\nssh_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnmmMJwMBmTLLZBsXAQTVCCyRPSzRmgJmeBcATgV3bL\"]\n".to_owned();
    for volume in all
        .iter()
        .flat_map(CatalogueService::volumes)
        .collect::<BTreeSet<_>>()
    {
        system += &format!("[volumes.{volume}]\n");
    }
    let services = all
        .into_iter()
        .filter_map(|service| {
            let source = SourceFile {
                path: format!("services/{}/service.toml", service.name),
                text: service.manifest()?.to_owned(),
            };
            Some((service.name, source))
        })
        .collect();
    let system = Some(SourceFile {
        path: "system.toml".to_owned(),
        text: system,
    });
    orlop_config::check(&Sources {
        system,
        services,
        ..Sources::default()
    })
}

#[cfg(test)]
mod tests {
    use orlop_config::VolumeSource;

    use super::*;

    #[test]
    fn every_service_of_the_catalogue_is_good_and_makes_its_image() {
        let checked = check();
        let said: Vec<String> = checked
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said, [""; 0]);
        let names = names();
        assert!(images().is_superset(&names), "{:?} of {names:?}", images());
    }

    #[test]
    fn each_service_says_in_a_line_what_it_is() {
        for service in catalogue() {
            let summary = service.summary();
            let good = (20..118).contains(&summary.len());
            assert!(good, "{}: {summary}", service.name);
        }
    }

    #[test]
    fn the_volumes_are_those_that_the_manifest_comes_to() {
        let checked = check();
        for service in catalogue() {
            let found = checked
                .services
                .values()
                .find(|known| known.name.as_str() == service.name);
            let mounts = found.into_iter().flat_map(|service| &service.volumes);
            let expected: BTreeSet<String> = mounts
                .filter_map(|mount| match &mount.source {
                    VolumeSource::Named(name) => Some(name.as_str().to_owned()),
                    VolumeSource::Folder(_) => None,
                })
                .collect();
            assert_eq!(service.volumes(), expected, "{}", service.name);
        }
    }
}
