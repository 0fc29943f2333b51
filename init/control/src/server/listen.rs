//! The accept loop of one listener.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::connection::converse;
use super::{Access, Incoming};

/// How long to leave clients in the backlog when there is no fd for them (EMFILE, ENFILE, ENOMEM):
/// the listener stays readable, so without a pause this would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves a listener for as long as the future is polled; dropping it closes the listener and all of
/// its connections. At most so many connections as the access allows are open, the others wait in
/// the backlog.
///
/// Needs a tokio runtime with io and time. Calls go to `calls`; give it a bound of at least 1.
pub async fn serve(listener: UnixListener, access: Access, calls: mpsc::Sender<Incoming>) {
    let access = Arc::new(access);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ended = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < access.connections => {
                let Ok((stream, _peer)) = accepted else {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let (access, calls) = (Arc::clone(&access), calls.clone());
                connections.spawn(async move {
                    // Why a client was left concerns nobody else, and a line for each would let
                    // a service fill PID 1's log.
                    drop(converse(stream, &access, &calls).await);
                });
            }
        }
    }
}
