//! Descriptors that the loop watches.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor for as long as the result lives.
///
/// # Errors
/// What epoll_ctl(2) says: EPERM for a file that is always ready.
#[expect(
    deprecated,
    reason = "`register` is unsafe for the sake of types that swap their descriptor while it is \
              watched; the ones here hold theirs until they are dropped"
)]
pub fn watch<T: AsRawFd>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(owner, interest)
}
