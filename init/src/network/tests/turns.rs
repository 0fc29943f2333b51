//! Many ask at once, as at the boot of a machine with many services.

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::network::NetworkHandle;
use crate::network::request::Request;

/// The deadline of a request once ran while it stood in the queue: of 200 services that were
/// attached at once, 79 launches failed.
#[test]
fn a_request_begins_when_the_one_before_it_is_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let (requests, mut queue) = mpsc::channel(64);
        let handle = NetworkHandle::to(requests);
        let asked: Vec<_> = (0..3)
            .map(|_| {
                let handle = handle.clone();
                tokio::task::spawn_local(async move { handle.addresses().await })
            })
            .collect();
        for _ in &asked {
            let Some(Request::Addresses(answer)) = queue.recv().await else {
                panic!("another request");
            };
            tokio::task::yield_now().await;
            assert!(queue.is_empty(), "the next one came before its turn");
            answer.send(Vec::new()).unwrap();
        }
        for one in asked {
            assert_eq!(one.await.unwrap().unwrap(), []);
        }
    });
}
