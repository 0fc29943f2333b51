//! The effective manifest means what the manifest means, and each default that is shown is the one
//! that the parser takes.

mod around;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use around::{file, fixtures, name_of, text_of};
use orlop_config::{
    Checked, Content, EffectiveKey, EffectiveManifest, EffectiveValue, FolderFiles, Sources,
    ValueSource, check, effective, toml_inline,
};

fn sources(text: &str) -> Sources {
    around::web("[network]\ndns = [\"192.0.2.53\"]\n[volumes.data]\n", text)
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

fn good_manifests() -> Vec<(String, String)> {
    let all = fixtures("accept", "toml");
    let found: Vec<_> = all
        .iter()
        .map(|path| (name_of(path).to_owned(), text_of(path)))
        .filter(|(name, _)| !name.starts_with("system_"))
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
            let elsewhere = matches!(key.source, ValueSource::OtherKey { .. });
            let Some(line) = key.line().filter(|_| !key.writable && !elsewhere) else {
                continue;
            };
            // Not writable beside the rest: then the check says why, and takes it as nothing else.
            let checked = check(&sources(&format!("{}{line}\n", written(&manifest))));
            // These are the kernel's or the launch's own when nobody sets them.
            let own = ["cpu_shares", "oom_score_adj", "environment.PATH"];
            let own = own.contains(&key.key.as_str()) || key.key.starts_with("ulimits.");
            assert!(
                own || !checked.diagnostics.is_empty(),
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
    let capabilities = of("capabilities").line().unwrap();
    assert!(
        capabilities.starts_with("capabilities = [\"CAP_CHOWN\", "),
        "{capabilities}"
    );
    let dns = &of("dns").source;
    assert_eq!(
        *dns,
        ValueSource::OtherKey {
            key: "network.dns".to_owned(),
            file: "system.toml".to_owned(),
            line: 2
        }
    );
}

/// Each key's value and source, as `orlop config` would show them; nothing for a key that is not there.
fn shown(manifest: &EffectiveManifest, name: &str) -> Option<(String, ValueSource)> {
    let key = manifest.keys.iter().find(|key| key.key == name)?;
    let value = match &key.value {
        EffectiveValue::Literal(value) => toml_inline(value),
        EffectiveValue::Unset => "unset".to_owned(),
        EffectiveValue::Words(words) => words.clone(),
    };
    Some((value, key.source.clone()))
}

#[test]
fn what_stands_below_deploy_is_shown_for_its_other_spelling() {
    let text = "image = \"nginx\"\ncommand = [\"/x\"]\n[deploy]\nreplicas = 3\n[deploy.resources]\nlimits = { memory = \"64m\", cpus = 0.5, pids = 7 }\nreservations = { memory = \"8m\" }\n[deploy.restart_policy]\ncondition = \"on-failure\"\nmax_attempts = 4\ndelay = \"3s\"\nwindow = \"9s\"\n";
    let (checked, manifest) = web(text);
    assert_eq!(checked.diagnostics, []);
    let at = |key: &str, line| ValueSource::OtherKey {
        key: key.to_owned(),
        file: "services/web/service.toml".to_owned(),
        line,
    };
    for (name, value, source) in [
        ("scale", "3", at("deploy.replicas", 4)),
        (
            "mem_limit",
            "\"64m\"",
            at("deploy.resources.limits.memory", 6),
        ),
        ("cpus", "0.5", at("deploy.resources.limits.cpus", 6)),
        ("pids_limit", "7", at("deploy.resources.limits.pids", 6)),
        (
            "mem_reservation",
            "\"8m\"",
            at("deploy.resources.reservations.memory", 7),
        ),
        (
            "restart",
            "\"on-failure:4\"",
            at("deploy.restart_policy.condition", 9),
        ),
        (
            "restart_delay",
            "\"3s\"",
            at("deploy.restart_policy.delay", 11),
        ),
        (
            "restart_reset_after",
            "\"9s\"",
            at("deploy.restart_policy.window", 12),
        ),
        (
            "oom_score_adj",
            "-900",
            ValueSource::Follows("deploy.resources.limits.memory".to_owned()),
        ),
        (
            "hostname",
            "each instance's name, web-1 to web-3",
            ValueSource::Default,
        ),
    ] {
        assert_eq!(
            shown(&manifest, name),
            Some((value.to_owned(), source)),
            "{name}"
        );
    }
    // The other way round, too.
    let (_, manifest) = web(
        "image = \"nginx\"\ncommand = [\"/x\"]\npids_limit = 9\ndeploy.resources.limits.cpus = 1\n",
    );
    let pids = shown(&manifest, "deploy.resources.limits.pids");
    assert_eq!(pids, Some(("9".to_owned(), at("pids_limit", 3))));
}

#[test]
fn what_the_launch_adds_is_shown_with_its_value() {
    let least = "image = \"nginx\"\ncommand = [\"/x\"]\n";
    let is = |text: &str, name: &str| shown(&web(&format!("{least}{text}")).1, name).map(|of| of.0);
    let yes = |value: &str| Some(value.to_owned());

    assert_eq!(is("", "oom_score_adj"), yes("0"));
    assert_eq!(is("mem_limit = \"8m\"", "oom_score_adj"), yes("-900"));
    assert_eq!(is("oom_score_adj = 5", "oom_score_adj"), yes("5"));

    let (run, tmp) = ("tmpfs.\"/run\"", "tmpfs.\"/tmp\"");
    assert_eq!(is("", run), yes("\"size=16m,mode=755\""));
    assert_eq!(is("", tmp), yes("\"size=64m,mode=1777\""));
    assert_eq!(is("", "tmpfs"), None);
    assert_eq!(is("read_only = false", run), None);
    assert_eq!(is("read_only = false", "tmpfs"), yes("[]"));
    let own = "tmpfs = [\"/run\"]\nvolumes = [\"data:/tmp\"]";
    assert_eq!((is(own, run), is(own, tmp)), (None, None));

    assert_eq!(is("", "ulimits.nofile"), yes("1024"));
    assert_eq!(is("ulimits = { nproc = 9 }", "ulimits.core"), yes("0"));
    assert_eq!(is("ulimits = { core = 9 }", "ulimits.core"), yes("9"));

    assert_eq!(is("", "capabilities"), yes("[]"));
    assert_eq!(
        is("isolation = \"privileged\"", "capabilities"),
        yes("[\"ALL\"]")
    );
    assert_eq!(is("", "user"), yes("\"0\""));
    assert_eq!(is("", "security_opt"), yes("[\"no-new-privileges:true\"]"));
    assert!(is("", "environment.PATH").is_some_and(|path| path.ends_with(":/bin\"")));
    assert_eq!(is("environment = [\"PATH=/x\"]", "environment.PATH"), None);
    assert_eq!(
        is("environment.PATH = \"/x\"", "environment.PATH"),
        yes("\"/x\"")
    );
}

#[test]
fn variables_of_a_file_leave_no_empty_environment() {
    let mut sources = sources("image = \"nginx\"\ncommand = [\"/x\"]\nenv_file = \"app.env\"\n");
    sources.files = FolderFiles::new(|_, _| Content::Bytes(b"A=file\n".to_vec()));
    let all = effective(&sources, &check(&sources));
    let web = all.iter().find(|one| one.service.as_deref() == Some("web"));
    let web = web.unwrap();
    assert_eq!(shown(web, "environment"), None);
    let from = ValueSource::EnvFile("app.env".to_owned());
    assert_eq!(
        shown(web, "environment.A"),
        Some(("\"file\"".to_owned(), from))
    );
}

#[test]
fn keys_of_the_machine_hold_what_counts() {
    let mut sources = sources("image = \"nginx\"\ncommand = [\"/x\"]\n");
    let text = "[network.links.eth0]\naddresses = [\"192.0.2.10/24\"]\n[network.links.eth1]\n";
    sources.system = Some(file("system.toml", text));
    let all = effective(&sources, &check(&sources));
    let system = &all[0];
    let (value, source) = shown(system, "network.links.eth0.dhcp").unwrap();
    assert_eq!(
        (value.as_str(), source),
        ("false", ValueSource::Follows("addresses".to_owned()))
    );
    assert_eq!(shown(system, "watchdog.timeout").unwrap().0, "unset");
    // Alone it would be refused.
    let mut keys = system.keys.iter();
    let device = keys.find(|key| key.key == "watchdog.device").unwrap();
    assert!(!device.writable);
    sources.system = Some(file("system.toml", &written(system)));
    assert_eq!(check(&sources).diagnostics, []);
}

#[test]
fn variables_that_the_machine_sets_are_shown_with_their_origin() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnmmMJwMBmTLLZBsXAQTVCCyRPSzRmgJmeBcATgV3bL you@laptop";
    let text = "image = \"nginx\"\ncommand = [\"/x\"]\nscale = 2\ncontrol = [\"access.ssh\"]\n";
    let mut sources = sources(text);
    let system = format!("[access]\nssh_keys = [\"{key}\"]\n");
    sources.system = Some(file("system.toml", &system));
    let all = effective(&sources, &check(&sources));
    let web = all.iter().find(|one| one.service.as_deref() == Some("web"));
    let web = web.unwrap();
    let place = ValueSource::OtherKey {
        key: "access.ssh_keys".to_owned(),
        file: "system.toml".to_owned(),
        line: 2,
    };
    let keys = shown(web, "environment.SSH_AUTHORIZED_KEYS");
    assert_eq!(keys, Some((format!("\"{key}\""), place)));
    let number = shown(web, "environment.ORLOP_REPLICA").map(|of| of.0);
    assert_eq!(number.as_deref(), Some("the instance's number"));
}

#[test]
fn a_services_defaults_ask_for_no_other_service() {
    let reads = |others: usize| {
        let mut sources = sources("image = \"nginx\"\ncommand = [\"/x\"]\n");
        for index in 0..others {
            let path = format!("services/s{index}/service.toml");
            let text = "image = \"nginx\"\ncommand = [\"/x\"]\nenv_file = \"a.env\"\n";
            let name = format!("s{index}");
            sources.services.insert(name, file(&path, text));
        }
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        sources.files = FolderFiles::new(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            Content::Bytes(b"A=1\n".to_vec())
        });
        let checked = check(&sources);
        count.store(0, Ordering::Relaxed);
        let all = effective(&sources, &checked);
        assert_eq!(all.len(), others + 4);
        count.load(Ordering::Relaxed)
    };
    assert_eq!(reads(20), 20 * reads(1));
}
