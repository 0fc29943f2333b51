//! Applet `init` with real children.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn init(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
    command.arg("init").args(arguments).stderr(Stdio::null());
    command
}

fn status(arguments: &[&str]) -> i32 {
    init(arguments).status().unwrap().code().unwrap()
}

fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).unwrap();
    kill(Pid::from_raw(pid), signal).unwrap();
}

#[test]
fn it_ends_as_its_command_does() {
    assert_eq!(status(&["true"]), 0);
    assert_eq!(status(&["--", "sh", "-c", "exit 7"]), 7);
    assert_eq!(status(&["sh", "-c", "kill -9 $$"]), 128 + 9);
    assert_eq!(status(&["/nonexistent"]), 127);
    assert_eq!(status(&["/etc/passwd"]), 126);
    assert_eq!(status(&[]), 2);
}

#[test]
fn signals_go_to_the_command() {
    let script = "trap 'echo hup' HUP; trap 'exit 5' TERM; echo ready; while :; do read x < /dev/tty 2>/dev/null || sleep 0.05; done";
    let mut child = init(&["sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    send(&child, Signal::SIGHUP);
    assert_eq!(lines.next().unwrap().unwrap(), "hup");
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn orphans_are_reaped_and_not_taken_for_the_command() {
    // As pid 1 of a pid namespace, which is what makes orphans its children.
    let script = "(sleep 0.05 &) ; (true &) ; sleep 0.3; ls /proc >/dev/null; for s in /proc/[0-9]*/stat; do read _ _ state _ < $s 2>/dev/null; echo $state; done; exit 3";
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc"])
        .args([env!("CARGO_BIN_EXE_services"), "init", "sh", "-c", script])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let states = String::from_utf8(output.stdout).unwrap();
    assert!(states.lines().count() >= 2, "{states}");
    assert!(!states.contains('Z'), "{states}");
}

#[test]
fn the_command_has_the_streams() {
    let mut child = init(&["cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"through").unwrap();
    let mut text = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
    assert!(child.wait().unwrap().success());
}
