//! Manifests that are good, with what they mean; manifests that are not, with the messages; whole
//! machines. The file's name says what it is about. `ORLOP_BLESS=1` rewrites what is expected.

mod around;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use around::{file, fixtures, name_of, text_of};
use orlop_config::{Checked, SourceFile, Sources, check, check_before_build};

/// A fixture's machine: what is called `system_…` is the machine's own file.
fn around(case: &Path) -> Sources {
    let text = text_of(case);
    match name_of(case).starts_with("system_") {
        true => Sources {
            system: Some(file("system.toml", &text)),
            ..Sources::default()
        },
        false => around::web("[volumes.data]\n", &text),
    }
}

#[expect(clippy::unwrap_used, reason = "writing to a String cannot fail")]
fn told(checked: &Checked) -> String {
    let mut out = String::new();
    for diagnostic in &checked.diagnostics {
        writeln!(out, "{}", diagnostic.render()).unwrap();
    }
    out
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
    for case in fixtures("accept", "toml") {
        let sources = around(&case);
        let checked = check(&sources);
        assert_eq!(told(&checked), "", "{}", case.display());
        let before = told(&check_before_build(&sources, &|_, _| true));
        assert_eq!(before, "", "{}", case.display());
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

/// What the machine itself cannot know, or finds at the launch only.
#[test]
fn the_workstation_says_more_before_a_build() {
    let mut complaints = Vec::new();
    for case in fixtures("before_build", "toml") {
        let sources = around(&case);
        let exists = |_: &str, path: &Path| path == Path::new("here.conf");
        let found = told(&check_before_build(&sources, &exists));
        assert_ne!(found, "", "{} is accepted", case.display());
        let says = ["; write", "; put", "; remove"];
        for line in found.lines().filter(|line| line.starts_with("services/")) {
            assert!(
                says.iter().any(|word| line.contains(word)),
                "no way out: {line}"
            );
        }
        // The machine runs it as it is.
        assert_eq!(told(&check(&sources)), "", "{}", case.display());
        complaints.extend(compare(&case.with_extension("txt"), &found));
    }
    assert_none(&complaints);
}

#[test]
fn what_a_newer_kernel_or_another_namespace_has_is_taken() {
    let sysctl =
        "image = \"nginx\"\ncommand = [\"/x\"]\nsysctls = { \"net.core.somaxconn\" = 9 }\n";
    let errors = |system: &str, more: &str| {
        let sources = around::web(system, &format!("{sysctl}{more}\n"));
        check_before_build(&sources, &|_, _| true).diagnostics.len()
    };
    assert_eq!(errors("", ""), 1);
    assert_eq!(errors("kernel.suite = \"trixie\"\n", ""), 0);
    for more in ["userns_mode = \"host\"", "isolation = \"privileged\""] {
        assert_eq!(errors("", more), 0, "{more}");
    }
}

#[test]
fn bad_manifests_are_told_how_to_become_good() {
    let mut complaints = Vec::new();
    let cases = fixtures("reject", "toml");
    assert!(cases.len() >= 40);
    for case in cases {
        let sources = around(&case);
        let checked = check(&sources);
        let found = told(&checked);
        assert_ne!(found, "", "{} is accepted", case.display());
        // The workstation and the machine say the same of it.
        let before = told(&check_before_build(&sources, &|_, _| false));
        assert_eq!(before, found, "{}", case.display());
        for diagnostic in &checked.diagnostics {
            let message = &diagnostic.message;
            let says = ["write", "remove", "keep", "put", "rename", "copy"];
            assert!(
                says.iter().any(|word| message.contains(word)),
                "says no way out: {message}"
            );
        }
        let broken = checked.broken.contains_key("web");
        let system = name_of(&case).starts_with("system_");
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
        // The machine has none, so what it changes is no fixture of those that are booted, too.
        catalogue: ["postgres", "redis"].map(str::to_owned).into(),
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
    for folder in fixtures("machines", "") {
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
