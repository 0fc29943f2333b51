//! What a launch passes on: sockets, pipes, programs by descriptor, further files.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use orlop_container::plan::FileBind;

use crate::ground::{Trial, ground, pipe_with, volume};

#[test]
fn passed_sockets_are_the_only_further_descriptors() {
    let Some(ground) = ground() else { return };
    let (one, two) = (pipe_with(b"first\n"), pipe_with(b"second\n"));
    let mut trial = Trial::shell(
        "",
        "read a <&3; read b <&4; echo $a $b $LISTEN_FDS $LISTEN_FDNAMES $LISTEN_PID; exec ls /proc/self/fd",
    );
    trial.listen = vec![
        ("one".to_owned(), one.as_fd()),
        ("two".to_owned(), two.as_fd()),
    ];
    let output = trial.run(ground).unwrap().output;
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], "first second 2 one:two 1");
    // 5 is what ls has open itself.
    assert_eq!(lines[1..], ["0", "1", "2", "3", "4", "5"], "{output}");
}

#[test]
fn the_readiness_pipe_has_its_number_and_ends_with_the_service() {
    let Some(ground) = ground() else { return };
    let socket = pipe_with(b"socket\n");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut trial = Trial::shell(
        "",
        "read a <&3; echo $a; echo >&7; exec 7>&-; exec ls /proc/self/fd",
    );
    trial.listen = vec![("one".to_owned(), socket.as_fd())];
    trial.ready = Some((7, writer.as_fd()));
    let output = trial.run(ground).unwrap().output;
    let lines: Vec<_> = output.lines().collect();
    // 4 is what ls has open itself: nothing lies between the socket and the pipe.
    assert_eq!(lines, ["socket", "0", "1", "2", "3", "4"], "{output}");
    drop(trial);
    drop(writer);
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut said).unwrap();
    assert_eq!(said, b"\n");
}

#[test]
fn the_notify_socket_takes_what_the_services_user_says() {
    let Some(ground) = ground() else { return };
    let path = volume(ground, "notify").join("web.sock");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .unwrap();
    // Busybox has no datagram client: what is shown is the socket, who may write it, and the words.
    let mut trial = Trial::shell(
        "user = \"probe\"",
        "echo $NOTIFY_SOCKET $WATCHDOG_USEC $WATCHDOG_PID; test -S $NOTIFY_SOCKET && echo socket; \
         test -w $NOTIFY_SOCKET && echo writable; rm $NOTIFY_SOCKET 2>/dev/null || echo stays",
    );
    std::os::unix::fs::chown(&path, Some(trial.base + 100), Some(trial.base + 101)).unwrap();
    trial.notify_socket = Some(path);
    let output = trial.run(ground).unwrap().output;
    assert_eq!(
        output,
        "/run/orlop/notify.sock 20000000\nsocket\nwritable\nstays\n"
    );
}

#[test]
fn the_control_socket_and_further_files_are_there_and_read_only() {
    let Some(ground) = ground() else { return };
    let socket = ground.state.join("control.sock");
    let _ = fs::remove_file(&socket);
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let hosts = ground.state.join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    // Anybody could write it, were it not for the mount.
    fs::set_permissions(&hosts, PermissionsExt::from_mode(0o666)).unwrap();
    let mut trial = Trial::shell(
        "user = \"probe\"",
        "[ -S /run/orlop/control.sock ] && [ -w /run/orlop/control.sock ] && echo socket; \
         cat /etc/group; echo x >> /etc/group; ls /etc",
    );
    std::os::unix::fs::chown(&socket, Some(trial.base + 100), None).unwrap();
    trial.control_socket = Some(socket);
    let bind = |target: &str| FileBind {
        source: hosts.clone(),
        target: target.into(),
        required: false,
    };
    trial.file_binds = vec![bind("/etc/group"), bind("/etc/absent")];
    let output = trial.run(ground).unwrap().output;
    assert!(
        output.starts_with("socket\n127.0.0.1 localhost\n"),
        "{output}"
    );
    assert!(
        output.contains("/etc/group: Read-only file system") && !output.contains("absent"),
        "{output}"
    );
}

/// The tests' own program stands for the multi-call one: it takes what follows `--` as names of
/// tests, of which it has none such.
#[test]
fn init_is_executed_from_the_descriptor() {
    let Some(ground) = ground() else { return };
    if !cfg!(target_env = "musl") {
        eprintln!("SKIPPED: needs a static test program (the musl target)");
        return;
    }
    let program = fs::File::open("/proc/self/exe").unwrap();
    let program = orlop_sys::memfd::sealed_copy(c"init", program.as_fd()).unwrap();
    let mut trial = Trial::new("command = [\"no-such-test\"]\ninit = true");
    trial.init_program = Some(program.as_fd());
    let output = trial.run(ground).unwrap().output;
    assert!(output.contains("running 0 tests"), "{output}");
}
