//! Tasks on PID 1's one thread.

use std::pin::Pin;

use tokio::task::JoinHandle;

/// Runs the future beside the others. Boxed: what tokio has for a task is there once, not a kilobyte
/// of it for each kind of future.
pub fn spawn(future: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
    let boxed: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
    tokio::task::spawn_local(boxed)
}
