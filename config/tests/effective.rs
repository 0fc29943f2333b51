//! The effective manifest means what the manifest means, and each default that is shown is the one
//! that the parser takes.

use std::fs;
use std::path::Path;

use orlop_config::{
    Checked, EffectiveKey, EffectiveManifest, EffectiveValue, SourceFile, Sources, ValueSource,
    check, effective,
};

fn sources(text: &str) -> Sources {
    let source = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let mut sources = Sources {
        system: Some(source(
            "system.toml",
            "[network]\ndns = [\"192.0.2.53\"]\n[volumes.data]\n",
        )),
        images: ["nginx", "redis"].map(str::to_owned).into(),
        ..Sources::default()
    };
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

#[expect(clippy::panic, reason = "a service that is missing fails the test")]
fn web(text: &str) -> (Checked, EffectiveManifest) {
    let sources = sources(text);
    let checked = check(&sources);
    let all = effective(&sources, &checked);
    let web = all
        .into_iter()
        .find(|one| one.service.as_deref() == Some("web"));
    let web = web.unwrap_or_else(|| panic!("{text}{:#?}", checked.diagnostics));
    (checked, web)
}

/// The lines that could stand in the file.
fn written(manifest: &EffectiveManifest) -> String {
    let keys = manifest.keys.iter().filter(|key| key.writable);
    let lines: Vec<String> = keys.filter_map(EffectiveKey::line).collect();
    lines.join("\n") + "\n"
}

#[expect(clippy::unwrap_used, reason = "a missing fixture fails the test")]
fn good_manifests() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/accept");
    let paths = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .filter(|(name, text)| !name.starts_with("system_") && !text.contains("env_file"))
        .collect();
    assert!(found.len() > 10);
    found
}

#[test]
fn what_is_shown_means_the_same() {
    for (name, text) in good_manifests() {
        let (before, manifest) = web(&text);
        let shown = written(&manifest);
        let (after, again) = web(&shown);
        assert_eq!(after.diagnostics, [], "{name}\n{shown}");
        assert_eq!(after.services, before.services, "{name}\n{shown}");
        // All of it is written now.
        assert_eq!(written(&again), shown, "{name}");
    }
}

#[test]
fn a_default_that_is_shown_is_the_parsers() {
    for (name, text) in good_manifests() {
        let (_, manifest) = web(&text);
        for key in &manifest.keys {
            let of_the_machine = matches!(key.source, ValueSource::Manifest { .. });
            let Some(line) = key.line().filter(|_| !key.writable && !of_the_machine) else {
                continue;
            };
            // Not writable beside the rest: then the check says why, and takes it as nothing else.
            let checked = check(&sources(&format!("{}{line}\n", written(&manifest))));
            // These are the kernel's own when nobody sets them.
            let kernels = ["cpu_shares", "memswap_limit"].contains(&key.key.as_str());
            assert!(
                kernels || !checked.diagnostics.is_empty(),
                "{name}: {line} changes what it means"
            );
        }
    }
}

#[test]
fn every_value_has_its_place() {
    let text = "image = \"nginx\"\ncommand = [\"/x\"]\nisolation = \"baseline\"\n\n[healthcheck]\ntcp = 80\n\n[environment]\nTZ = \"UTC\"\n";
    let (_, manifest) = web(text);
    let of = |name: &str| {
        let mut keys = manifest.keys.iter();
        keys.find(|key| key.key == name).unwrap()
    };
    let line = |line| ValueSource::Manifest {
        file: "services/web/service.toml".to_owned(),
        line,
    };
    assert_eq!(of("image").source, line(1));
    assert_eq!(of("healthcheck.tcp").source, line(6));
    assert_eq!(of("environment.TZ").source, line(9));
    assert_eq!(of("healthcheck.interval").source, ValueSource::Default);
    assert_eq!(
        of("healthcheck.interval").line().unwrap(),
        "healthcheck.interval = \"30s\""
    );
    let isolation = ValueSource::Follows("isolation = \"baseline\"".to_owned());
    assert_eq!(of("read_only").line().unwrap(), "read_only = false");
    assert_eq!(of("read_only").source, isolation);
    let EffectiveValue::Words(words) = &of("capabilities").value else {
        panic!("{manifest:?}");
    };
    assert!(words.starts_with("CAP_CHOWN, "), "{words}");
    let dns = &of("dns").source;
    assert_eq!(
        *dns,
        ValueSource::Manifest {
            file: "system.toml".to_owned(),
            line: 2
        }
    );
}
