//! The broker with real pipes, on a loop of its own.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use orlop_config::ServiceName;

use super::{LogMessage, Pipes, start};

/// How many of this process's descriptors are the same pipe.
fn descriptors_of(pipe: &OwnedFd) -> usize {
    let this = fs::read_link(format!("/proc/self/fd/{}", pipe.as_raw_fd())).unwrap();
    let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
    all.filter(|entry| fs::read_link(entry.path()).is_ok_and(|link| link == this))
        .count()
}

async fn let_tasks_run() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A stopped log reader passes through several states, each told as `Down`: every one of them once
/// left a task behind that held the pipe and emptied it, until PID 1 had no descriptors left.
#[test]
fn a_log_reader_that_goes_again_and_again_leaves_no_descriptor_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let broker = start();
        let user = (nix::unistd::getuid(), nix::unistd::getgid());
        let pipes = Pipes::new(user.0.as_raw(), user.1.as_raw()).unwrap();
        let [(stream, reading), _] = pipes.reading();
        broker.tell(LogMessage::Stream {
            service: ServiceName::new("web").unwrap(),
            stream,
            reading: reading.clone(),
        });
        let_tasks_run().await;
        let before = descriptors_of(&reading);
        for _ in 0..5 {
            broker.tell(LogMessage::Down);
            let_tasks_run().await;
        }
        assert_eq!(descriptors_of(&reading), before);
    });
}
