//! Broken service.toml files among good ones, and broken system.toml files: the machine boots, and
//! says what `check` says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use orlop_qemu_tests::{MachineBuilder, Vm};

/// What runs whatever is wrong beside it.
const GOOD: &str = "exec busybox sleep 1000000";

fn machine() -> anyhow::Result<MachineBuilder> {
    Ok(MachineBuilder::with(&[])?
        .service("typo", "image = \"good\"\ncomand = [\"/bin/true\"]\n")
        .service(
            "imageless",
            "image = \"nowhere\"\ncommand = [\"/bin/true\"]\n",
        )
        .shell_service("good", GOOD, ""))
}

#[test]
fn check_names_every_error_with_its_place_and_build_refuses() {
    let machine = machine().unwrap();
    let check = machine.tool("check", &[]).unwrap();
    assert_eq!(check.status, 1);
    let expected = [
        "services/imageless/service.toml:1:9: image: ",
        "services/typo/service.toml:2:1: comand: ",
    ];
    for start in expected {
        assert!(
            check.stderr.lines().any(|l| l.starts_with(start)),
            "{}",
            check.stderr
        );
    }
    assert!(check.stderr.contains("\"command\""), "{}", check.stderr);
    assert_eq!(machine.tool("build", &[]).unwrap().status, 1);
}

#[test]
fn the_others_run_and_the_console_says_the_same_sentences() {
    let machine = machine().unwrap().argument("--keep-going");
    let check = machine.tool("check", &[]).unwrap().stderr;
    let vm = machine.boot().unwrap();
    vm.wait_service("good", "up").unwrap();
    vm.wait_boot().unwrap();
    let console = vm.transcript_until("Ready").unwrap();
    let sentences: Vec<&str> = check
        .lines()
        .filter(|l| l.starts_with("services/"))
        .collect();
    assert_eq!(sentences.len(), 2, "{check}");
    for sentence in sentences {
        assert!(console.contains(sentence), "{sentence}\n{console}");
    }
}

/// Every manifest that the config crate's tests know to be broken, as a service of its own; a name
/// that a service has in there becomes this one's.
fn with_every_broken_service(machine: MachineBuilder) -> MachineBuilder {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tests/reject");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let manifest = path.extension().is_some_and(|e| e == "toml");
        // That image is unknown to the config crate only: the catalogue has it.
        if !manifest || name.starts_with("system_") || name == "image_unknown" {
            continue;
        }
        let to = machine.path(format!("services/{name}/service.toml"));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let bytes = fs::read(&path).unwrap();
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => text.replace("\"web\"", &format!("\"{name}\"")).into_bytes(),
            Err(no_text) => no_text.into_bytes(),
        };
        fs::write(to, bytes).unwrap();
    }
    machine
}

/// The first sentence that `orlop check` has about each service.
fn sentences(check: &str) -> BTreeMap<String, String> {
    let mut first = BTreeMap::new();
    for line in check.lines() {
        let name = line
            .strip_prefix("services/")
            .and_then(|l| l.split_once('/'));
        if let Some((name, _)) = name.filter(|_| !line.contains(": warning: ")) {
            first
                .entry(name.to_owned())
                .or_insert_with(|| line.to_owned());
        }
    }
    first
}

/// What fixtures name of the machine around them in the config crate's tests.
fn around(machine: MachineBuilder) -> MachineBuilder {
    let system = fs::read_to_string(machine.path("system.toml")).unwrap();
    machine
        .file("system.toml", &format!("{system}\n[volumes.data]\n"))
        .shell_service("db", GOOD, "healthcheck = { file = \"/bin/busybox\" }")
        .shell_service("job", "exit 0", "schedule = \"@daily\"")
}

#[test]
fn every_broken_service_is_named_by_ps_and_the_good_ones_run() {
    let machine = MachineBuilder::with(&["gateway"]).unwrap();
    let machine = around(machine.shell_service("good", GOOD, ""));
    let machine = with_every_broken_service(machine).argument("--keep-going");
    let wanted = sentences(&machine.tool("check", &[]).unwrap().stderr);
    let folders = fs::read_dir(machine.path("services")).unwrap().count();
    assert_eq!(wanted.len() + 4, folders, "a fixture has no error here");
    assert!(wanted.len() >= 200, "{}", wanted.len());

    let vm = machine.boot().unwrap();
    for name in ["good", "db"] {
        vm.wait_service(name, "up").unwrap();
    }
    vm.wait_boot().unwrap();
    let told = vm.services().unwrap();
    assert_eq!(told.len(), folders);
    for (name, sentence) in &wanted {
        let info = told.iter().find(|info| info["name"] == name.as_str());
        let info = info.unwrap_or_else(|| panic!("ps does not name {name}"));
        assert_eq!(info["state"], "failed", "{info}");
        assert_eq!(info["cause"], sentence.as_str(), "{info}");
    }
}

/// The machine whose system.toml has these bytes, or is missing, is up, and its console says what
/// `check` says: each sentence with this in it.
fn boots_in_spite_of(what: &str, system: Option<&[u8]>, expected: &str) {
    let machine = MachineBuilder::with(&["gateway"])
        .unwrap()
        .shell_service("good", GOOD, "")
        .argument("--keep-going");
    let path = machine.path("system.toml");
    match system {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
    let check = machine.tool("check", &[]).unwrap();
    let said: Vec<&str> = check
        .stderr
        .lines()
        .filter(|line| line.starts_with("system.toml:"))
        .collect();
    let named = said.iter().any(|line| line.contains(expected));
    assert_eq!(named, !expected.is_empty(), "{what}: {}", check.stderr);
    let vm = machine.boot().unwrap();
    assert_up(what, &vm, &said);
}

fn assert_up(what: &str, vm: &Vm, said: &[&str]) {
    vm.wait_service("good", "up").unwrap();
    vm.wait_boot().unwrap();
    let console = vm.transcript_until("Ready").unwrap();
    for sentence in said {
        assert!(console.contains(sentence), "{what}: {sentence}\n{console}");
    }
    let ps = vm.orlop(&["ps", "--json"]).unwrap();
    assert!(ps.contains("\"good\""), "{what}: {ps}");
}

/// No TOML, no text, no file, too much of it.
#[test]
fn a_machine_comes_up_with_a_system_toml_that_cannot_be_read() {
    boots_in_spite_of("missing", None, "");
    boots_in_spite_of("syntax", Some(b"hostname = \"a\n[network\n"), "has no end");
    boots_in_spite_of("bytes", Some(b"\xff\xfeh\0o\0s\0t\0"), "UTF-");
    let large = b"# comment\n".repeat(210_000);
    boots_in_spite_of("size", Some(&large), "at most 1024 KiB");
}

/// Every section has something wrong, alone.
#[test]
fn a_machine_comes_up_with_wrong_words_in_its_system_toml() {
    boots_in_spite_of("key", Some(b"hostnam = \"a\"\n"), "hostname");
    boots_in_spite_of("type", Some(b"hostname = 3\nkernel = 5\n"), "must be text");
    boots_in_spite_of(
        "hostname",
        Some(b"hostname = \"my_host\"\n"),
        "no host name",
    );
    let access = b"[access]\nconsole = \"login\"\n[volumes]\n\"../etc\" = {}\n";
    boots_in_spite_of("volume", Some(access), "no volume's name");
}

/// What reaches the network and the kernel.
#[test]
fn a_machine_comes_up_with_a_network_and_settings_that_cannot_be() {
    let link = b"[network.links.eth0]\naddresses = [\"192.0.2.10/24\"]\ngateway = \"10.0.0.1\"\n";
    boots_in_spite_of("gateway", Some(link), "in none of the networks");
    let pool = b"[network]\npool = \"172.29.0.9/16\"\ndns = \"192.0.2.53\"\n";
    boots_in_spite_of("pool", Some(pool), "must be a list");
    let sysctls = b"[sysctls]\nnet.core.somaxconn = 4096\n\"vm.swappiness\" = true\n";
    boots_in_spite_of("sysctl", Some(sysctls), "must be a number");
    // Good words that the kernel does not know: only the machine can tell.
    let unknown = b"[sysctls]\n\"net.nowhere.at_all\" = 1\n";
    boots_in_spite_of("unknown sysctl", Some(unknown), "");
}
