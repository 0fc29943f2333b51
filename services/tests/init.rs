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

/// Everything that can be caught reaches the command, real-time signals too.
#[test]
fn every_signal_that_can_be_caught_is_forwarded() {
    let script = "for n in 1 2 3 6 10 12 13 14 15 16 18 20 21 22 23 24 25 26 27 28 29 30 37 50 64; do trap \"echo got $n\" $n; done; \
                  echo ready; while :; do sleep 0.02; done";
    let mut child = init(&["bash", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let pid = child.id().to_string();
    for number in [
        1, 2, 3, 6, 10, 12, 13, 14, 15, 16, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 37, 50,
        64,
    ] {
        let sent = Command::new("kill")
            .args([&format!("-{number}"), &pid])
            .status();
        assert!(sent.unwrap().success(), "{number}");
        assert_eq!(lines.next().unwrap().unwrap(), format!("got {number}"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The shell is nobody's child now; its next line finds no reader.
    drop(lines);
}

/// A pid namespace in which the applet is process 1, as in a container.
fn as_process_1(arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .args([env!("CARGO_BIN_EXE_services"), "init"])
        .args(arguments);
    command
}

/// The applet's pid out here: the child of `unshare`.
fn process_1(unshare: &Child) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    let text = std::fs::read_to_string(children).unwrap();
    Pid::from_raw(text.trim().parse().unwrap())
}

#[test]
fn edge_45_a_program_without_a_handler_stops_on_term() {
    // As process 1 itself it would not hear the signal at all.
    let mut child = as_process_1(&["sh", "-c", "echo ready; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    kill(process_1(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn its_own_crash_ends_the_command_too() {
    let mut child = as_process_1(&["sh", "-c", "echo ready; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut ready = [0; 6];
    stdout.read_exact(&mut ready).unwrap();
    kill(process_1(&child), Signal::SIGKILL).unwrap();
    // The end of the pipe: nobody of the namespace is left to hold it.
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(!child.wait().unwrap().success());
}

#[test]
fn the_command_starts_with_the_signals_that_it_would_have_without() {
    // As a container begins: whoever runs the tests may be ignoring some (nohup).
    let masks = |words: &[&str]| {
        let output = Command::new("env")
            .arg("--default-signal")
            .args(words)
            .args(["cat", "/proc/self/status"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let masks: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ"))
            .map(str::to_owned)
            .collect();
        assert_eq!(masks.len(), 4, "{text}");
        masks
    };
    let init = [env!("CARGO_BIN_EXE_services"), "init"];
    assert_eq!(masks(&init), masks(&[]));
}

#[test]
fn it_needs_no_standard_streams() {
    // Closed, not only empty: as a container without any would have it.
    let script = format!(
        "exec {} init sh -c 'exit 9' <&- >&- 2>&-",
        env!("CARGO_BIN_EXE_services")
    );
    let status = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert_eq!(status.code(), Some(9));
}

#[test]
fn a_thousand_orphans_are_reaped() {
    let script = "i=0; while [ $i -lt 1000 ]; do (true &); i=$((i+1)); done; \
        while grep -l 'State:.Z' /proc/[0-9]*/status >/dev/null 2>&1; do :; done; exit 4";
    let status = as_process_1(&["sh", "-c", script]).status().unwrap();
    assert_eq!(status.code(), Some(4));
}
