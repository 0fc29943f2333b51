//! A new machine in an editor: taplo, which many of them run for TOML, follows each file's `#:schema`
//! line. Offline, as every file names a schema beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use orlop_image_build::new;

/// What `taplo lint` says of these files, and whether it is content.
#[expect(
    clippy::expect_used,
    reason = "a test that cannot ask taplo fails: `.ci/setup test` installs it"
)]
fn lint(files: &[PathBuf]) -> (bool, String) {
    let output = Command::new("taplo")
        .args(["lint", "--no-auto-config"])
        .args(files)
        .output()
        .expect("taplo");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

#[expect(
    clippy::unwrap_used,
    reason = "a folder that cannot be read fails the test"
)]
fn manifests(machine: &Path) -> Vec<PathBuf> {
    let services = fs::read_dir(machine.join("services")).unwrap();
    let mut files: Vec<PathBuf> = services
        .map(|entry| entry.unwrap().path().join("service.toml"))
        .collect();
    files.push(machine.join("system.toml"));
    files
}

#[test]
fn taplo_has_nothing_against_a_new_machine_and_finds_a_typo() {
    let folder = tempfile::tempdir().unwrap();
    let machine = folder.path().join("machine");
    new(&machine).unwrap();
    let files = manifests(&machine);
    assert!(files.len() > 5, "{files:?}");
    let (good, said) = lint(&files);
    assert!(good, "{said}");

    // Each line by itself, so that none hides behind another's complaint.
    let service = machine.join("services/nginx/service.toml");
    let system = machine.join("system.toml");
    for (file, line, expected) in [
        (&service, "prots = [\"80:80\"]", "prots"),
        (&service, "mem_limit = true", "true"),
        (&service, "cpus = \"all\"", "all"),
        (&service, "restart = \"on_failure\"", "on_failure"),
        (&service, "ports = [80]", "80"),
        (&system, "hostnam = \"web\"", "hostnam"),
        (&system, "hostname = 3", "3"),
    ] {
        let text = fs::read_to_string(file).unwrap();
        let (schema, rest) = text.split_once('\n').unwrap();
        let key = line.split(' ').next().unwrap();
        let others = rest
            .lines()
            .filter(|other| !other.starts_with(&format!("{key} =")));
        let others: Vec<&str> = others.collect();
        fs::write(file, format!("{schema}\n{line}\n{}\n", others.join("\n"))).unwrap();
        let (good, said) = lint(std::slice::from_ref(file));
        assert!(!good && said.contains(expected), "{line}: {said}");
        fs::write(file, text).unwrap();
    }
}
