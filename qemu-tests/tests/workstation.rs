//! What `orlop run` refuses before it boots anything, and finds while a machine runs.

use std::net::TcpListener;

use orlop_qemu_tests::{MachineBuilder, orlop};

#[test]
fn a_port_in_use_is_named_with_its_service() {
    let machine = MachineBuilder::with(&["nginx"]).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let forward = format!("--forward={port}:8080");
    let answer = machine.tool("run", &["--headless", &forward]).unwrap();
    assert_eq!(answer.status, 1);
    let sentence = format!("127.0.0.1:{port} is in use (needed by service \"nginx\")");
    assert!(answer.stderr.contains(&sentence), "{}", answer.stderr);
}

#[test]
fn a_second_machine_of_the_same_name_is_refused() {
    let vm = MachineBuilder::with(&["nginx"]).unwrap().boot().unwrap();
    let name = vm.machine().name();
    let answer = vm.machine().tool("run", &["--headless", "--name", name]);
    let answer = answer.unwrap();
    assert_eq!(answer.status, 1);
    let sentence = format!("a machine named \"{name}\" runs already");
    assert!(answer.stderr.contains(&sentence), "{}", answer.stderr);
}

#[test]
fn a_verb_for_a_machine_that_does_not_run_says_so() {
    let answer = orlop(&["-m", "nobody", "ps"]).unwrap();
    assert_eq!(answer.status, 1);
    assert!(
        answer
            .stderr
            .starts_with("orlop: no machine named \"nobody\" runs here"),
        "{}",
        answer.stderr
    );
}

#[test]
fn a_verb_that_does_not_exist_is_a_usage_error() {
    let answer = orlop(&["pss"]).unwrap();
    assert_eq!(answer.status, 2);
    assert!(answer.stderr.contains("\"pss\""), "{}", answer.stderr);
}
