//! `orlop add` on folders.

use super::*;
use crate::new::new;

/// A new machine, and what `orlop add` says to these names.
fn added(dir: &Path, names: &[&str]) -> Result<u8> {
    add(&AddOptions {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        directory: dir.to_owned().into(),
    })
}

fn machine() -> (tempfile::TempDir, PathBuf) {
    let keep = tempfile::tempdir().unwrap();
    let dir = keep.path().join("machine");
    new(&dir).unwrap();
    (keep, dir)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join("services")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_machine_with_all_of_the_catalogue_has_no_errors() {
    let (_keep, dir) = machine();
    let there = names(&dir);
    let all: Vec<String> = catalogue()
        .into_iter()
        .map(|service| service.name)
        .collect();
    let more: Vec<&str> = all
        .iter()
        .filter(|name| !there.contains(name))
        .map(String::as_str)
        .collect();
    assert!(!more.is_empty());
    // `ssh` lets nobody in without a key.
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnmmMJwMBmTLLZBsXAQTVCCyRPSzRmgJmeBcATgV3bL";
    let system = fs::read_to_string(dir.join("system.toml")).unwrap();
    let system = system.replacen(
        "[access]\n",
        &format!("[access]\nssh_keys = [\"{key}\"]\n"),
        1,
    );
    fs::write(dir.join("system.toml"), system).unwrap();
    assert_eq!(added(&dir, &more).unwrap(), 0);
    assert_eq!(names(&dir), all);
    let checked = MachineFolder::load(&dir).unwrap().check();
    assert_eq!(checked.services.len(), all.len());
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
}

#[test]
fn what_is_the_users_is_never_written_over() {
    let (_keep, dir) = machine();
    let page = dir.join("services/nginx/html/index.html");
    fs::write(&page, "mine").unwrap();
    let system = fs::read(dir.join("system.toml")).unwrap();
    let error = added(&dir, &["caddy", "nginx"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "services/nginx is there already, and nothing was changed; to begin anew, remove that folder first"
    );
    assert_eq!(fs::read(&page).unwrap(), b"mine");
    assert!(!dir.join("services/caddy").exists());
    assert_eq!(fs::read(dir.join("system.toml")).unwrap(), system);
}

#[test]
fn an_unknown_name_leads_to_the_near_one() {
    let (_keep, dir) = machine();
    let said = |name: &str| added(&dir, &[name]).unwrap_err().to_string();
    assert_eq!(
        said("cady"),
        "there is no cady in the catalogue; is it caddy?"
    );
    assert_eq!(
        said("mainframe"),
        "there is no mainframe in the catalogue; `orlop add` lists it"
    );
}

#[test]
fn a_machine_without_a_system_toml_gets_one_when_it_needs_it() {
    let keep = tempfile::tempdir().unwrap();
    let dir = keep.path();
    fs::create_dir(dir.join("services")).unwrap();
    assert_eq!(added(dir, &["redis"]).unwrap(), 0);
    let system = fs::read_to_string(dir.join("system.toml")).unwrap();
    assert_eq!(system, "[volumes.redis-data]\n");
}

#[test]
fn a_port_that_is_taken_is_said_and_the_service_stays() {
    let (_keep, dir) = machine();
    let toml = dir.join("services/nginx/service.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, text.replace("8080:80", "8088:80")).unwrap();
    assert_eq!(added(&dir, &["caddy"]).unwrap(), 1);
    assert!(dir.join("services/caddy/Caddyfile").is_file());
}

#[test]
fn the_list_names_all_and_marks_what_is_there() {
    let text = said::list(&catalogue(), |name| name == "redis");
    let starts = |mark: &str| text.lines().any(|line| line.starts_with(mark));
    assert!(starts("* redis") && starts("  nginx"), "{text}");
}
