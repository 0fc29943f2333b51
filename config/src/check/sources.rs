//! What a machine's manifests are read from: the workstation's folder or the system image. Whoever
//! reads hands over bytes, or why there are none; what is wrong with them is said here, so that both
//! say the same sentence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::{Diagnostic, Severity, SourceFile};

/// Everything that a machine's manifests are read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `system.toml`; defaults for all of it when absent.
    pub system: Option<SourceFile>,
    /// Folder name → `service.toml`.
    pub services: BTreeMap<String, SourceFile>,
    /// Images that exist beside those that the services' `build`s make (the catalogue's, or in the
    /// machine all that the system image holds).
    pub images: BTreeSet<String>,
    /// Services that `orlop add` has; none in the machine, where nobody could run it.
    pub catalogue: BTreeSet<String>,
    /// What could not be read: folder name (empty for `system.toml`) → finding.
    pub unreadable: BTreeMap<String, Diagnostic>,
    /// How further files of a service's folder are read.
    pub files: FolderFiles,
}

/// Reads a file of a service's folder that its manifest names: the folder, the path in it.
type ReadFile = dyn Fn(&str, &Path) -> Content + Send + Sync;

/// How the files are read that a manifest names, such as `env_file`: the reading is the caller's.
#[derive(Clone, Default)]
pub struct FolderFiles(Option<Arc<ReadFile>>);

impl FolderFiles {
    /// Files that this reads.
    pub fn new(read: impl Fn(&str, &Path) -> Content + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }

    /// The file at a path in a service's folder.
    pub(crate) fn read(&self, folder: &str, path: &Path) -> Content {
        match &self.0 {
            Some(read) => read(folder, path),
            None => Content::Missing,
        }
    }
}

impl fmt::Debug for FolderFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderFiles").finish_non_exhaustive()
    }
}

/// What reading a manifest's file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The file's bytes.
    Bytes(Vec<u8>),
    /// There is no such file.
    Missing,
    /// It is there and cannot be read, with the reason.
    Unreadable(String),
}

impl From<io::Result<Vec<u8>>> for Content {
    /// What `std::fs::read` gave: the reading itself is the caller's.
    fn from(read: io::Result<Vec<u8>>) -> Self {
        match read {
            Ok(bytes) => Self::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing,
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

impl Sources {
    /// Takes what was read of `system.toml`. A missing one is as good as an empty one.
    pub fn add_system(&mut self, content: Content) {
        let shown = "system.toml".to_owned();
        match content {
            Content::Bytes(bytes) => self.system = Some(text_of(shown, &bytes)),
            Content::Missing => {}
            Content::Unreadable(why) => {
                let message = format!("the file cannot be read: {why}; the defaults are used");
                self.refuse(String::new(), shown, message);
            }
        }
    }

    /// Takes what was read of `services/<folder>/service.toml`.
    pub fn add_service(&mut self, folder: &str, content: Content) {
        let shown = format!("services/{folder}/service.toml");
        let message = match content {
            Content::Bytes(bytes) => {
                self.services
                    .insert(folder.to_owned(), text_of(shown, &bytes));
                return;
            }
            Content::Missing => "the file is missing; write one, or remove the folder".to_owned(),
            Content::Unreadable(why) => format!("cannot be read: {why}"),
        };
        self.services.remove(folder);
        self.refuse(folder.to_owned(), shown, message);
    }

    /// Says of a service without `service.toml` what to do with the file `found` that is there in its
    /// place. For the workstation, where somebody can do it.
    pub fn add_misnamed_service(&mut self, folder: &str, found: &str) {
        let message = match found {
            "Dockerfile" | "Containerfile" => format!(
                "the file is missing, and no {found} is read; write it with build = {{ debian = [\"nginx-light\"] }} and command"
            ),
            _ if found.ends_with("compose.yml") || found.ends_with("compose.yaml") => format!(
                "the file is missing, and no {found} is read; write the keys of one service of it into this file, as key = \"value\""
            ),
            _ => format!("the file is missing; rename {found} to service.toml"),
        };
        self.refuse(
            folder.to_owned(),
            format!("services/{folder}/service.toml"),
            message,
        );
    }

    /// Says of a file `services/<service>.<ending>` where it belongs.
    pub fn add_service_without_folder(&mut self, service: &str, ending: &str) {
        let file = format!("services/{service}.{ending}");
        let message = match ending {
            "toml" => {
                format!("a service is a folder; rename it to services/{service}/service.toml")
            }
            _ if service.ends_with("compose") => {
                "is not read; write each service of it into services/<name>/service.toml, in TOML"
                    .to_owned()
            }
            _ => format!("is not read; write services/{service}/service.toml, in TOML"),
        };
        self.refuse(service.to_owned(), file, message);
    }

    fn refuse(&mut self, folder: String, file: String, message: String) {
        let finding = Diagnostic {
            severity: Severity::Error,
            file,
            line: 1,
            column: 1,
            line_text: String::new(),
            caret: 0,
            caret_width: 1,
            key: String::new(),
            message,
        };
        self.unreadable.insert(folder, finding);
    }
}

/// Bytes that are no UTF-8 become U+FFFD, which the parser names with its line.
fn text_of(path: String, bytes: &[u8]) -> SourceFile {
    SourceFile {
        path,
        text: String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn what_cannot_be_read_is_said_of_its_service() {
        let mut sources = Sources::default();
        sources.add_system(Content::Unreadable("EIO".to_owned()));
        sources.add_service(
            "bad",
            Content::Bytes(b"image = \"bad\"\n# \xff\ncommand = [\"/x\"]\n".to_vec()),
        );
        sources.add_service("none", Content::Missing);
        let user =
            b"image = \"bad\"\ncommand = [\"/x\"]\ndepends_on = [\"none\"]\nvolumes = [\"v:/v\"]\n";
        sources.add_service("user", Content::Bytes(user.to_vec()));
        sources.images.insert("bad".to_owned());
        let checked = check(&sources);
        let said: Vec<String> = checked
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            said,
            [
                "system.toml:1:1: the file cannot be read: EIO; the defaults are used",
                "services/bad/service.toml:2:3: a character here is not UTF-8; write the file in UTF-8",
                "services/none/service.toml:1:1: the file is missing; write one, or remove the folder",
            ]
        );
        assert_eq!(
            checked.broken["user"],
            "depends on \"none\", which is broken"
        );
        assert_eq!(checked.broken["none"], said[2]);
    }
}
