//! The catalogue: ready services, embedded in the tool (`services/<name>/` of the repository).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use orlop_config::{Checked, SourceFile, Sources};

use crate::new::SYSTEM_TOML;
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

/// The catalogue's own manifests, checked.
#[must_use]
pub fn check() -> Checked {
    let services = catalogue()
        .into_iter()
        .filter_map(|service| {
            let (_, bytes) = service
                .files
                .iter()
                .find(|(file, _)| *file == "service.toml")?;
            let source = SourceFile {
                path: format!("services/{}/service.toml", service.name),
                text: String::from_utf8_lossy(bytes).into_owned(),
            };
            Some((service.name, source))
        })
        .collect();
    // The starter's: it declares the volumes that the services use.
    let system = Some(SourceFile {
        path: "system.toml".to_owned(),
        text: SYSTEM_TOML.to_owned(),
    });
    orlop_config::check(&Sources {
        system,
        services,
        ..Sources::default()
    })
}

#[cfg(test)]
mod tests {
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
        let names: BTreeSet<String> = catalogue()
            .into_iter()
            .map(|service| service.name)
            .collect();
        assert!(images().is_superset(&names), "{:?} of {names:?}", images());
    }
}
