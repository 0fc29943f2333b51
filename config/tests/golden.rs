//! Manifests that are good, with what they mean; manifests that are not, with the messages; whole
//! machines. The file's name says what it is about. `ORLOP_BLESS=1` rewrites what is expected.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use orlop_config::{Checked, Content, FolderFiles, SourceFile, Sources, check};

/// A machine in which a lone service finds what it may name.
#[expect(clippy::unwrap_used, reason = "fixture names are UTF-8")]
fn around(case: &Path, text: &str) -> Sources {
    let source = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let name = case.file_stem().unwrap().to_str().unwrap();
    let mut sources = Sources {
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
    if name.starts_with("system_") {
        sources.system = Some(source("system.toml", text));
        return sources;
    }
    sources.system = Some(source("system.toml", "[volumes.data]\n"));
    let db =
        "image = \"redis\"\ncommand = [\"/usr/bin/redis-server\"]\nhealthcheck = { tcp = 6379 }\n";
    let job = "image = \"redis\"\ncommand = [\"/bin/true\"]\nschedule = \"@daily\"\n";
    for (name, text) in [("db", db), ("job", job), ("web", text)] {
        let path = format!("services/{name}/service.toml");
        sources
            .services
            .insert(name.to_owned(), source(&path, text));
    }
    sources
}

/// A file's text as whoever reads manifests hands it over.
#[expect(clippy::unwrap_used, reason = "a missing fixture fails the test")]
fn text_of(case: &Path) -> String {
    String::from_utf8_lossy(&fs::read(case).unwrap()).into_owned()
}

#[expect(clippy::unwrap_used, reason = "writing to a String cannot fail")]
fn told(checked: &Checked) -> String {
    let mut out = String::new();
    for diagnostic in &checked.diagnostics {
        writeln!(out, "{}", diagnostic.render()).unwrap();
    }
    out
}

#[expect(clippy::unwrap_used, reason = "a missing fixture fails the test")]
fn files_below(folder: &str, extension: &str) -> Vec<PathBuf> {
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

/// Compares with the file; returns a complaint instead of panicking, so that all are seen at once.
#[expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot be written fails the test"
)]
fn compare(expected: &Path, found: &str) -> Option<String> {
    if std::env::var_os("ORLOP_BLESS").is_some() {
        fs::write(expected, found).unwrap();
    }
    let wanted = fs::read_to_string(expected).unwrap_or_default();
    (wanted != found).then(|| format!("{}:\n{found}", expected.display()))
}

fn assert_none(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "not as expected (ORLOP_BLESS=1 rewrites):\n{}",
        complaints.join("\n")
    );
}

#[test]
fn good_manifests_mean_what_they_say() {
    let mut complaints = Vec::new();
    for case in files_below("accept", "toml") {
        let checked = check(&around(&case, &text_of(&case)));
        assert_eq!(told(&checked), "", "{}", case.display());
        assert!(checked.broken.is_empty());
        let mut services = checked.services.iter();
        let web = services.find(|(_, service)| service.folder().as_str() == "web");
        let found = match web {
            Some((_, service)) => format!("{service:#?}\n"),
            None => format!("{:#?}\n", checked.machine),
        };
        complaints.extend(compare(&case.with_extension("txt"), &found));
    }
    assert_none(&complaints);
}

#[test]
fn bad_manifests_are_told_how_to_become_good() {
    let mut complaints = Vec::new();
    let cases = files_below("reject", "toml");
    assert!(cases.len() >= 40);
    for case in cases {
        let checked = check(&around(&case, &text_of(&case)));
        let found = told(&checked);
        assert_ne!(found, "", "{} is accepted", case.display());
        for diagnostic in &checked.diagnostics {
            let message = &diagnostic.message;
            let says = ["write", "remove", "keep", "put", "rename", "copy"];
            assert!(
                says.iter().any(|word| message.contains(word)),
                "says no way out: {message}"
            );
        }
        let broken = checked.broken.contains_key("web");
        let system = case
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("system_");
        assert!(broken || system, "{} runs all the same", case.display());
        assert!(
            !checked.broken.contains_key("db") && !checked.broken.contains_key("job"),
            "a good service is left out"
        );
        complaints.extend(compare(&case.with_extension("txt"), &found));
    }
    assert_none(&complaints);
}

#[expect(clippy::unwrap_used, reason = "a missing fixture fails the test")]
fn machine(folder: &Path) -> Sources {
    let read = |path: PathBuf, shown: String| {
        let text = fs::read_to_string(path).ok()?;
        Some(SourceFile { path: shown, text })
    };
    let mut sources = Sources {
        system: read(folder.join("system.toml"), "system.toml".to_owned()),
        images: ["nginx".to_owned()].into(),
        ..Sources::default()
    };
    for entry in fs::read_dir(folder.join("services")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let shown = format!("services/{name}/service.toml");
        sources
            .services
            .insert(name, read(path.join("service.toml"), shown).unwrap());
    }
    sources
}

#[test]
fn machines_are_checked_as_a_whole() {
    let mut complaints = Vec::new();
    for folder in files_below("machines", "") {
        let sources = machine(&folder);
        let checked = check(&sources);
        let mut found = told(&checked);
        let names: Vec<&str> = checked.services.keys().map(|name| name.as_str()).collect();
        writeln!(found, "runs: {}", names.join(" ")).unwrap();
        for (name, sentence) in &checked.broken {
            writeln!(found, "broken: {name}: {sentence}").unwrap();
        }
        writeln!(found, "volumes: {:?}", checked.machine.volumes).unwrap();
        let folders: BTreeSet<&str> = checked
            .services
            .values()
            .map(|service| service.folder().as_str())
            .collect();
        assert_eq!(
            folders.len() + checked.broken.len(),
            sources.services.len(),
            "a service is lost"
        );
        complaints.extend(compare(&folder.join("expected.txt"), &found));
    }
    assert_none(&complaints);
}
