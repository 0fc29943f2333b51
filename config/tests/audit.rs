//! What `orlop audit` says of the catalogue, and of a machine that grants everything. `ORLOP_BLESS=1`
//! rewrites what is expected.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use orlop_config::{Checked, Reach, SourceFile, Sources, audit, check};

fn told(checked: &Checked) -> String {
    assert!(checked.diagnostics.is_empty(), "{:#?}", checked.diagnostics);
    let mut out = String::new();
    for found in audit(&checked.services) {
        let (service, reach, line) = (&found.service, found.reach, &found.line);
        writeln!(
            out,
            "{service}: {reach}: {line}\n  {}\n  {}",
            found.allows, found.instead
        )
        .unwrap();
    }
    out
}

/// Every folder below `folder` is a service.
fn machine(folder: &Path, system: &str) -> Checked {
    let mut sources = Sources {
        system: Some(SourceFile {
            path: "system.toml".to_owned(),
            text: system.to_owned(),
        }),
        ..Sources::default()
    };
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if let Ok(text) = fs::read_to_string(entry.path().join("service.toml")) {
            let path = format!("services/{name}/service.toml");
            sources.services.insert(name, SourceFile { path, text });
        }
    }
    check(&sources)
}

fn compare(expected: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/audit")
        .join(expected);
    if std::env::var_os("ORLOP_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap());
}

#[test]
fn the_catalogue() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services");
    let volumes = [
        "caddy",
        "chrony",
        "postgres",
        "prometheus",
        "redis",
        "registry",
    ];
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnmmMJwMBmTLLZBsXAQTVCCyRPSzRmgJmeBcATgV3bL";
    let mut system =
        format!("[access]\nssh_keys = [\"{key}\"]\n[volumes.logs]\n[volumes.ssh-keys]\n");
    for name in volumes {
        writeln!(system, "[volumes.{name}-data]").unwrap();
    }
    let checked = machine(&folder, &system);
    compare("catalogue.txt", &told(&checked));
}

#[test]
fn a_machine_that_grants_everything() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit/nasty");
    let checked = machine(&folder, "[volumes.shared]\n");
    compare("nasty.txt", &told(&checked));
}

#[test]
fn a_service_that_was_given_nothing_is_not_named() {
    let text = "image = \"a\"\ncommand = [\"/bin/a\"]\nuser = \"nobody\"\nmem_limit = \"8m\"\nbuild = { debian = [\"bash\"] }\n";
    let file = SourceFile {
        path: "services/a/service.toml".to_owned(),
        text: text.to_owned(),
    };
    let sources = Sources {
        services: [("a".to_owned(), file)].into(),
        ..Sources::default()
    };
    assert_eq!(told(&check(&sources)), "");
}

#[test]
fn reach_is_ordered_by_harm() {
    assert!(Reach::Machine > Reach::Services && Reach::Services > Reach::Itself);
}
