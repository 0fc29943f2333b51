//! Stage `load_config`: the manifests in the system become checked values.
//!
//! Bad input never stops the boot: a broken section falls back to its defaults, a broken service is
//! left out and named in the very words of `orlop check`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use orlop_config::{Checked, Severity, SourceFile, Sources, check};

use crate::stage::{Done, Fatal};

/// Where the builder put the manifests.
pub const CONFIG_ROOT: &str = "/etc/orlop";
/// Where the builder put the images' root file systems.
pub const IMAGES_ROOT: &str = "/images";

/// Reads and checks `system.toml` and every `services/<name>/service.toml` below `root`.
///
/// # Errors
/// Never: whatever is wrong is said in `degraded`.
pub fn run(root: &Path, images: &Path) -> Result<Done<Checked>, Fatal> {
    let mut degraded = Vec::new();
    let sources = load_sources(root, images, &mut degraded);
    let checked = check(&sources);
    for diagnostic in &checked.diagnostics {
        if diagnostic.severity == Severity::Error {
            degraded.push(diagnostic.to_string());
        }
    }
    Ok(Done {
        value: checked,
        degraded,
    })
}

fn load_sources(root: &Path, images: &Path, degraded: &mut Vec<String>) -> Sources {
    let mut sources = Sources::default();
    match fs::read(root.join("system.toml")) {
        Ok(bytes) => sources.system = Some(source("system.toml".to_owned(), &bytes)),
        Err(error) => degraded.push(format!(
            "reading system.toml: {error}; the defaults are used"
        )),
    }
    for name in list(&root.join("services"), degraded) {
        let shown = format!("services/{name}/service.toml");
        match fs::read(root.join(&shown)) {
            Ok(bytes) => {
                sources.services.insert(name, source(shown, &bytes));
            }
            Err(error) => {
                degraded.push(format!("reading {shown}: {error}; the service is left out"))
            }
        }
    }
    sources.images = list(images, degraded);
    sources
}

fn source(path: String, bytes: &[u8]) -> SourceFile {
    // What is not UTF-8 becomes U+FFFD, which no key, name or path may hold: the checker names the
    // line. On the workstation the same happens before the build.
    let text = String::from_utf8_lossy(bytes).into_owned();
    SourceFile { path, text }
}

/// The folders below `path`, by name.
fn list(path: &Path, degraded: &mut Vec<String>) -> BTreeSet<String> {
    let read = || -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    };
    read().unwrap_or_else(|error| {
        degraded.push(format!("listing {}: {error}", path.display()));
        BTreeSet::new()
    })
}
