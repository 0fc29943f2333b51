//! The verbs, end to end: command line, client, socket, server, a loop that answers.
#![cfg(all(feature = "server", feature = "verbs"))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use orlop_config::{Grant, ServiceName};
use orlop_control::client::{Client, Executing};
use orlop_control::server::{Access, Call, Incoming, Reply, serve};
use orlop_control::varlink::encode_reply;
use orlop_control::{ControlError, Exit, Listing, LogLine, LogStream, ServiceInfo, State, verbs};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

fn service(name: &str) -> ServiceInfo {
    ServiceInfo {
        name: name.to_owned(),
        image: name.to_owned(),
        state: State::Up,
        since_ms: 5000,
        cause: "started".to_owned(),
        pid: Some(7),
        restarts: 0,
        last_exit: None,
        ports: vec![],
        address: None,
        isolation: "restricted".to_owned(),
        health: None,
        status_text: None,
        next_run_in_ms: None,
        last_exits: Vec::new(),
        oom_kills: 0,
        replica_of: None,
    }
}

fn listing() -> Listing {
    Listing {
        services: vec![service("web")],
        notices: vec!["/state is read-only".to_owned()],
    }
}

/// What PID 1 would do, with one service `web`.
fn answer(incoming: Incoming) {
    let known = |name: String| match name.as_str() {
        "web" => Ok(Reply::Done {}),
        _ => Err(ControlError::NoSuchService {
            name,
            nearest: Some("web".to_owned()),
        }),
    };
    let answer = match incoming.call {
        Call::List => Ok(Reply::List(listing())),
        Call::Start { names } | Call::Stop { names } | Call::Restart { names } => {
            let mut names = names.into_iter();
            let unknown = names.find(|name| name != "web");
            known(unknown.unwrap_or_else(|| "web".to_owned()))
        }
        Call::Kill { name, signal } if signal.number() == 1 => known(name),
        Call::Kill { name, .. } => Err(ControlError::NotRunning { name }),
        Call::Logs(mut hand_over) => {
            hand_over.stream.set_nonblocking(false).unwrap();
            for (text, continues) in [("one", true), ("two\u{1b}[2J", false)] {
                let line = LogLine {
                    service: "web".to_owned(),
                    stream: LogStream::Stdout,
                    time_us: 1,
                    text: text.to_owned(),
                };
                let bytes = encode_reply(&line, continues).unwrap();
                hand_over.stream.write_all(&bytes).unwrap();
            }
            return;
        }
        Call::Exec(call) if call.request.command == ["missing"] => {
            let refusal = ControlError::NotExecuted {
                name: call.request.name.clone(),
                reason: "there is no such program".to_owned(),
                code: 127,
            };
            call.refuse(&refusal).unwrap();
            return;
        }
        Call::Exec(mut call) => {
            let replies = [
                encode_reply(&Reply::Done {}, true),
                encode_reply(&Exit::Signal(9), false),
            ];
            let bytes = replies.map(Result::unwrap).concat();
            call.stream.write_all(&bytes).unwrap();
            return;
        }
        // The machine is gone before it answers.
        Call::PowerOff => return,
        _ => Err(ControlError::ShuttingDown {}),
    };
    incoming.reply.answer(answer);
}

fn with_machine<T>(grants: &str, ask: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let name = ServiceName::new("console").unwrap();
    let access = Access::service(name, vec![Grant::parse(grants).unwrap()], 0..u32::MAX);
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let machine = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (sender, mut calls) = mpsc::channel(4);
            let listener = UnixListener::from_std(listener).unwrap();
            tokio::spawn(serve(listener, access, sender));
            let looping = async {
                while let Some(incoming) = calls.recv().await {
                    answer(incoming);
                }
            };
            tokio::select! {
                () = looping => {}
                _ = stopped => {}
            }
        });
    });
    let result = ask(&path);
    drop(stop);
    machine.join().unwrap();
    result
}

/// Status, standard output, standard error.
fn orlop(path: &Path, line: &str) -> (u8, String, String) {
    let verb = verbs::parse(line.split(' ').map(OsString::from)).unwrap();
    let mut out = Vec::new();
    let exec = |mut client: Client<_>, request: &_| {
        client.exec(request)?;
        match client.executing()? {
            Executing::Ended(exit) => Ok(exit),
            Executing::Message(message) => panic!("{message:?} of no stream"),
        }
    };
    let outcome = verbs::run(
        &verb,
        || Client::connect(path, None),
        exec,
        &mut out,
        verbs::Screen::PLAIN,
    );
    let errors: Vec<String> = outcome.errors.iter().map(|e| e.chain()).collect();
    (
        outcome.status,
        String::from_utf8(out).unwrap(),
        errors.join("\n"),
    )
}

#[test]
fn every_verb_end_to_end() {
    with_machine("*", |path| {
        let (status, out, _) = orlop(path, "ps");
        assert_eq!(status, 0);
        assert!(out.starts_with("NAME") && out.contains("up 5s"), "{out}");
        assert!(out.ends_with("\nmachine: /state is read-only\n"), "{out}");
        let (_, out, _) = orlop(path, "ps --json");
        let list: Listing = serde_json::from_str(&out).unwrap();
        assert_eq!(list, listing());
        assert_eq!(
            orlop(path, "restart web"),
            (0, String::new(), String::new())
        );
        let missing = "no service is called wbe; did you mean web?";
        let both = (1, String::new(), missing.to_owned());
        assert_eq!(orlop(path, "stop wbe web"), both);
        assert_eq!(orlop(path, "kill -s HUP web").0, 0);
        assert_eq!(orlop(path, "kill web").2, "web is not running");
        let (status, _, error) = orlop(path, "kill -s SIGFOO web");
        assert_eq!(status, 1);
        assert!(error.contains("there is no signal"), "{error}");
        assert_eq!(orlop(path, "logs web").1, "one\ntwo\\u{1b}[2J\n");
        assert!(orlop(path, "logs").1.starts_with("web        | one\n"));
        assert!(orlop(path, "logs --json").1.contains("\"text\":\"one\""));
        assert_eq!(orlop(path, "exec web sleep 5").0, 137);
        let missing = (
            127,
            String::new(),
            "web: there is no such program".to_owned(),
        );
        assert_eq!(orlop(path, "exec web missing"), missing);
        assert_eq!(orlop(path, "poweroff").0, 0);
        assert_eq!(orlop(path, "reboot").2, "the machine is shutting down");
    });
}

#[test]
fn what_is_not_granted_is_said_with_the_grant() {
    with_machine("services.*", |path| {
        let (status, _, error) = orlop(path, "poweroff");
        assert_eq!(status, 1);
        assert!(
            error.contains("control = [\"machine.poweroff\"]"),
            "{error}"
        );
    });
}

#[test]
fn no_machine_is_an_error_with_the_path() {
    let (status, _, error) = orlop(Path::new("/nonexistent/control.sock"), "ps");
    assert_eq!(status, 1);
    assert!(
        error.starts_with("connect to /nonexistent/control.sock: No such file"),
        "{error}"
    );
}
