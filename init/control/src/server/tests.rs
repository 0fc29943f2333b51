//! The server with many, slow, wrong and refused clients, against a loop that answers.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use orlop_config::{Grant, ServiceName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::*;
use crate::{ControlError, Lease, Listing};

struct Served {
    _folder: tempfile::TempDir,
    path: PathBuf,
    calls: mpsc::Receiver<Incoming>,
}

fn start(access: Access) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (sender, calls) = mpsc::channel(4);
    tokio::spawn(serve(listener, access, sender));
    Served {
        _folder: folder,
        path,
        calls,
    }
}

/// This test's own user, whoever that is.
fn anybody(grants: &[&str]) -> Access {
    let grants = grants.iter().map(|g| Grant::parse(g).unwrap()).collect();
    Access::service(ServiceName::new("web").unwrap(), grants, 0..u32::MAX)
}

async fn ask(stream: &mut UnixStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.write_all(b"\0").await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    loop {
        match stream.read_u8().await.unwrap() {
            0 => return String::from_utf8(bytes).unwrap(),
            byte => bytes.push(byte),
        }
    }
}

const LIST: &str = r#"{"method":"io.orlop.services.List"}"#;

async fn answer_all(mut calls: mpsc::Receiver<Incoming>) {
    while let Some(incoming) = calls.recv().await {
        incoming.reply.ok(Reply::List(Listing::default()));
    }
}

#[tokio::test]
async fn a_call_reaches_the_loop_and_its_answer_the_caller() {
    let mut served = start(anybody(&["*"]));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let call = r#"{"method":"io.orlop.services.Kill","parameters":{"name":"db","signal":"HUP"}}"#;
    let answer = tokio::spawn(async move { ask(&mut stream, call).await });
    let incoming = served.calls.recv().await.unwrap();
    let caller = Caller::Service(ServiceName::new("web").unwrap());
    assert_eq!(incoming.caller, caller);
    match incoming.call {
        Call::Kill { name, signal } => assert_eq!((name.as_str(), signal.number()), ("db", 1)),
        other => panic!("{other:?}"),
    }
    incoming.reply.err(ControlError::NotRunning {
        name: "db".to_owned(),
    });
    let expected = r#"{"error":"io.orlop.services.NotRunning","parameters":{"name":"db"}}"#;
    assert_eq!(answer.await.unwrap(), expected);
}

#[tokio::test]
async fn a_lease_is_checked_before_the_loop_sees_it() {
    let mut served = start(anybody(&["network.lease"]));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let bad = r#"{"method":"io.orlop.network.Lease","parameters":{"link":"eth0","address":"127.0.0.1","prefix_length":8,"lifetime_s":1}}"#;
    assert!(ask(&mut stream, bad).await.contains("InvalidParameter"));
    let good = r#"{"method":"io.orlop.network.Lease","parameters":{"link":"eth0","expired":true}}"#;
    let answer = tokio::spawn(async move { ask(&mut stream, good).await });
    let incoming = served.calls.recv().await.unwrap();
    assert!(matches!(incoming.call, Call::Lease(Lease::Expired { .. })));
    incoming.reply.ok(Reply::Done {});
    assert_eq!(answer.await.unwrap(), r#"{"parameters":{}}"#);
}

#[tokio::test]
async fn what_is_not_granted_never_reaches_the_loop() {
    let mut served = start(anybody(&["services.*"]));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let answer = ask(&mut stream, r#"{"method":"io.orlop.machine.PowerOff"}"#).await;
    assert_eq!(
        answer,
        r#"{"error":"io.orlop.Denied","parameters":{"method":"io.orlop.machine.PowerOff","grant":"machine.poweroff"}}"#
    );
    assert!(served.calls.try_recv().is_err());
}

#[tokio::test]
async fn wrong_calls_are_answered_and_the_connection_goes_on() {
    let served = start(anybody(&["*"]));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let cases = [
        ("hello", "InvalidParameter"),
        ("{}", "InvalidParameter"),
        ("", "InvalidParameter"),
        (r#"{"method":"io.orlop.services.Lits"}"#, "MethodNotFound"),
        (r#"{"method":"List"}"#, "MethodNotFound"),
        (r#"{"method":"io.orlop.services.Logs"}"#, "ExpectedMore"),
        (
            r#"{"method":"io.orlop.services.Start"}"#,
            "InvalidParameter",
        ),
        (
            r#"{"method":"io.orlop.services.Start","parameters":{"name":1}}"#,
            "InvalidParameter",
        ),
        (
            r#"{"method":"io.orlop.services.List","parameters":{"x":1}}"#,
            "InvalidParameter",
        ),
        (
            r#"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"x"}}"#,
            "InterfaceNotFound",
        ),
    ];
    for (call, error) in cases {
        let answer = ask(&mut stream, call).await;
        assert!(answer.contains(error), "{call}: {answer}");
    }
    let about = ask(&mut stream, r#"{"method":"org.varlink.service.GetInfo"}"#).await;
    assert!(about.contains("io.orlop.services"), "{about}");
}

#[tokio::test]
async fn a_call_without_end_is_refused_and_the_connection_closed() {
    let served = start(anybody(&["*"]));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    stream.write_all(&[b'['; 20_000]).await.unwrap();
    assert!(answer(&mut stream).await.contains("16384"));
    // Closed; with bytes unread by the server that may be a reset.
    assert!(stream.read_u8().await.is_err());
}

#[tokio::test]
async fn deep_nesting_is_an_error_not_an_overflow() {
    let served = start(anybody(&["*"]));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let deep = format!(
        r#"{{"method":"io.orlop.services.List","parameters":{}"#,
        "[".repeat(10_000)
    );
    assert!(ask(&mut stream, &deep).await.contains("InvalidParameter"));
}

#[tokio::test]
async fn strangers_are_not_served() {
    let name = ServiceName::new("web").unwrap();
    let served = start(Access::service(name, vec![], 5_000_000..5_065_536));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    // The server may close before the write.
    drop(stream.write_all(b"{}\0").await);
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes).await);
    assert_eq!(bytes, b"");
}

#[tokio::test]
async fn silent_and_waiting_clients_hold_up_nobody() {
    let mut served = start(anybody(&["*"]));
    let mut silent = Vec::new();
    for _ in 0..30 {
        let mut stream = UnixStream::connect(&served.path).await.unwrap();
        stream.write_all(b"{\"method\":").await.unwrap();
        silent.push(stream);
    }
    // One whose call is never answered.
    let mut waiting = UnixStream::connect(&served.path).await.unwrap();
    waiting.write_all(LIST.as_bytes()).await.unwrap();
    waiting.write_all(b"\0").await.unwrap();
    let unanswered = served.calls.recv().await.unwrap();
    let path = served.path.clone();
    tokio::spawn(answer_all(served.calls));
    let clients: Vec<_> = (0..30)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move {
                let mut stream = UnixStream::connect(path).await.unwrap();
                for _ in 0..20 {
                    let answer = ask(&mut stream, LIST).await;
                    assert_eq!(answer, r#"{"parameters":{"services":[],"notices":[]}}"#);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    // Dropped without an answer: the connection ends.
    drop(unanswered);
    assert!(waiting.read_u8().await.is_err());
}

#[tokio::test]
async fn clients_beyond_the_cap_wait_their_turn() {
    let served = start(anybody(&["*"]));
    tokio::spawn(answer_all(served.calls));
    let mut open = Vec::new();
    for _ in 0..64 {
        let mut stream = UnixStream::connect(&served.path).await.unwrap();
        ask(&mut stream, LIST).await;
        open.push(stream);
    }
    let mut late = UnixStream::connect(&served.path).await.unwrap();
    let mut asked = Box::pin(ask(&mut late, LIST));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut asked).await;
    assert!(early.is_err());
    open.pop();
    assert!(asked.await.contains("services"));
}

#[tokio::test]
async fn pipelined_calls_are_answered_in_order_and_oneway_ones_are_not() {
    let served = start(anybody(&["*"]));
    tokio::spawn(answer_all(served.calls));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let silent = r#"{"method":"io.orlop.services.List","oneway":true}"#;
    let text = format!("{silent}\0{LIST}\0{{}}\0");
    stream.write_all(text.as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.contains("services"));
    assert!(answer(&mut stream).await.contains("InvalidParameter"));
}

#[tokio::test]
async fn the_connection_of_logs_is_handed_over() {
    let mut served = start(anybody(&["services.logs"]));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let call = "{\"method\":\"io.orlop.services.Logs\",\"parameters\":{\"name\":\"db\",\"follow\":true},\"more\":true}\0";
    stream.write_all(call.as_bytes()).await.unwrap();
    let incoming = served.calls.recv().await.unwrap();
    let Call::Logs(hand_over) = incoming.call else {
        panic!("{incoming:?}");
    };
    assert_eq!(hand_over.request.parameters.name.as_deref(), Some("db"));
    assert!(hand_over.request.more && hand_over.request.parameters.follow);
    hand_over
        .refuse(&ControlError::NotRunning {
            name: "log".to_owned(),
        })
        .unwrap();
    assert!(answer(&mut stream).await.contains("NotRunning"));
    assert!(stream.read_u8().await.is_err());
}

#[tokio::test]
async fn bytes_behind_logs_are_refused() {
    let mut served = start(anybody(&["services.logs"]));
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let text = "{\"method\":\"io.orlop.services.Logs\",\"more\":true}\0x";
    stream.write_all(text.as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.contains("a call after Logs"));
    assert!(served.calls.try_recv().is_err());
}

#[tokio::test]
async fn stopping_to_serve_closes_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (sender, calls) = mpsc::channel(4);
    tokio::spawn(answer_all(calls));
    let task = tokio::spawn(serve(listener, anybody(&["*"]), sender));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    ask(&mut stream, LIST).await;
    task.abort();
    drop(task.await);
    assert!(stream.read_u8().await.is_err());
    assert!(UnixStream::connect(&path).await.is_err());
}

#[cfg(feature = "client")]
#[tokio::test]
async fn the_blocking_client_speaks_with_the_server() {
    let mut served = start(anybody(&["*"]));
    let path = served.path.clone();
    let client = std::thread::spawn(move || {
        let mut client = crate::client::Client::connect(&path, None).unwrap();
        let info = client.info().unwrap();
        let missing = client
            .services(crate::Method::Start, &["wbe".to_owned()])
            .unwrap_err();
        (info, missing.to_string())
    });
    let info = crate::MachineInfo {
        hostname: "orlop".to_owned(),
        version: "0".to_owned(),
        kernel: "6.1".to_owned(),
        uptime_ms: 5,
        addresses: vec![],
    };
    let first = served.calls.recv().await.unwrap();
    first.reply.ok(Reply::Info(info.clone()));
    let second = served.calls.recv().await.unwrap();
    second.reply.err(ControlError::NoSuchService {
        name: "wbe".to_owned(),
        nearest: Some("web".to_owned()),
    });
    // Its thread ends by itself: both answers are on their way.
    tokio::time::sleep(Duration::ZERO).await;
    while !client.is_finished() {
        tokio::task::yield_now().await;
    }
    let (got, missing) = client.join().unwrap();
    assert_eq!(got, info);
    assert_eq!(missing, "no service is called wbe; did you mean web?");
}

#[test]
fn a_refused_hand_over_does_not_block_on_a_full_client() {
    let (mine, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    mine.set_nonblocking(true).unwrap();
    let mut filler = mine.try_clone().unwrap();
    while std::io::Write::write(&mut filler, &[1; 4096]).is_ok() {}
    let hand_over = HandOver {
        request: crate::LogsCall {
            method: String::new(),
            parameters: crate::LogsRequest::default(),
            more: false,
        },
        stream: mine,
    };
    assert!(hand_over.refuse(&ControlError::ShuttingDown {}).is_err());
    drop(filler);
    let mut bytes = Vec::new();
    theirs.read_to_end(&mut bytes).unwrap();
}
