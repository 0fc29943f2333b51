//! Manifests of the tests: fixtures by folder, and a machine around a lone one.

use std::fs;
use std::path::{Path, PathBuf};

use orlop_config::{Content, FolderFiles, SourceFile, Sources};

/// A file of a machine.
pub(crate) fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

/// A machine in which the service `web` finds what it may name.
pub(crate) fn web(system: &str, manifest: &str) -> Sources {
    let mut sources = Sources {
        system: Some(file("system.toml", system)),
        images: ["nginx", "redis"].map(str::to_owned).into(),
        catalogue: ["postgres", "redis"].map(str::to_owned).into(),
        files: FolderFiles::new(|folder, path| match (folder, path.to_str()) {
            ("web", Some("app.env")) => Content::Bytes(b"A=file\nB='b c' # d\n".to_vec()),
            ("web", Some("raw.env")) => Content::Bytes(b"C=\"c\"\n".to_vec()),
            ("web", Some("bad.env")) => Content::Bytes(b"A=1\nB\nC D=1\n".to_vec()),
            ("web", Some("latin.env")) => Content::Bytes(b"A=\xe4\n".to_vec()),
            _ => Content::Missing,
        }),
        ..Sources::default()
    };
    let db =
        "image = \"redis\"\ncommand = [\"/usr/bin/redis-server\"]\nhealthcheck = { tcp = 6379 }\n";
    let job = "image = \"redis\"\ncommand = [\"/bin/true\"]\nschedule = \"@daily\"\n";
    for (name, text) in [("db", db), ("job", job), ("web", manifest)] {
        let path = format!("services/{name}/service.toml");
        sources.services.insert(name.to_owned(), file(&path, text));
    }
    sources
}

/// What a folder of fixtures has of one kind, or all of it without an extension, in order.
#[expect(clippy::unwrap_used, reason = "a missing fixture fails the test")]
pub(crate) fn fixtures(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == extension) || extension.is_empty())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What a fixture is called.
#[expect(clippy::unwrap_used, reason = "fixture names are UTF-8")]
pub(crate) fn name_of(fixture: &Path) -> &str {
    fixture.file_stem().unwrap().to_str().unwrap()
}

/// A file's text as whoever reads manifests hands it over.
#[expect(clippy::unwrap_used, reason = "a missing fixture fails the test")]
pub(crate) fn text_of(fixture: &Path) -> String {
    String::from_utf8_lossy(&fs::read(fixture).unwrap()).into_owned()
}
