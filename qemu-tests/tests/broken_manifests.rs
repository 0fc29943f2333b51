//! Broken service.toml files among good ones: the machine boots, and says what `check` says.

use orlop_qemu_tests::MachineBuilder;

fn machine() -> anyhow::Result<MachineBuilder> {
    Ok(MachineBuilder::with(&[])?
        .service("typo", "image = \"good\"\ncomand = [\"/bin/true\"]\n")
        .service(
            "imageless",
            "image = \"nowhere\"\ncommand = [\"/bin/true\"]\n",
        )
        .shell_service("good", "exec busybox sleep 1000000", ""))
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
