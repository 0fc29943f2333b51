//! Applet `console` on a pseudo-terminal.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;

/// Reads until the text has come.
fn until(terminal: &mut File, text: &str) -> String {
    let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        let mut fds = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(1000u16)).unwrap() == 0 {
            continue;
        }
        let length = terminal.read(&mut buffer).unwrap();
        seen.extend_from_slice(buffer.get(..length).unwrap());
        let so_far = String::from_utf8_lossy(&seen).into_owned();
        if so_far.contains(text) {
            return so_far;
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
fn a_login_shell_with_working_keys() {
    let pty = openpty(None, None).unwrap();
    let path = ttyname(&pty.slave).unwrap();
    // As a full-screen program that was killed leaves it.
    let mut modes = tcgetattr(&pty.slave).unwrap();
    cfmakeraw(&mut modes);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &modes).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_services"))
        .arg("console")
        .args([path.as_os_str(), "/bin/bash".as_ref()])
        .env_remove("TERM")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut terminal = File::from(pty.master);
    let welcome = until(&mut terminal, "orlop poweroff");
    assert!(welcome.contains("orlop ps"), "{welcome}");
    // One process group writes the path and sleeps: Ctrl-C reaches it at any time after that.
    let line = b"echo begin-$0-$TERM; sh -c 'tty; exec sleep 1000'\n";
    terminal.write_all(line).unwrap();
    let seen = until(&mut terminal, path.to_str().unwrap());
    assert!(seen.contains("begin--bash-vt220"), "{seen}");
    terminal.write_all(b"\x03echo still-$((40 + 2))\n").unwrap();
    let seen = until(&mut terminal, "still-42");
    assert!(seen.contains("still-42"), "{seen}");
    let modes = tcgetattr(&pty.slave).unwrap();
    assert!(modes.local_flags.contains(LocalFlags::ISIG));
    terminal.write_all(b"exit 9\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn a_terminal_that_is_missing_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_services"))
        .args(["console", "/nonexistent/tty"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        error,
        "console: open /nonexistent/tty: ENOENT: No such file or directory\n"
    );
}
