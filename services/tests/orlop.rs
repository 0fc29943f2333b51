//! Applet `orlop` as a program: exit statuses and what is said. The verbs themselves are tested in
//! `orlop-control`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

fn orlop(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_services"))
        .arg0("/usr/bin/orlop")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_is_no_error() {
    let output = orlop(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("logs [-f] [-n LINES]"));
}

#[test]
fn a_wrong_command_line_is_2() {
    let output = orlop(&["sp"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("orlop: there is no command \"sp\"\n  ps"));
}

#[test]
fn no_machine_is_1() {
    let output = orlop(&["ps"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(
        error.starts_with("orlop: connect to /run/orlop/control.sock: "),
        "{error}"
    );
}

#[test]
fn no_applet_names_them() {
    let output = Command::new(env!("CARGO_BIN_EXE_services"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("console"));
}

#[test]
fn log_and_gateway_say_what_they_lack() {
    for (applet, lack) in [
        ("log", "control = [\"log.streams\"]"),
        ("gateway", "/dev/orlop.control"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_services"))
            .arg(applet)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(lack));
    }
}
