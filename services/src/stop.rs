//! The wish to stop. As pid 1 of its pid namespace a service gets no signal that it does not
//! handle, so without this every stop would take the whole grace period.

use std::io;
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// A stream that becomes readable with SIGTERM or SIGINT.
///
/// # Errors
/// Of socketpair(2), fcntl(2) and sigaction(2).
pub(crate) fn requested() -> io::Result<UnixStream> {
    let (readable, written) = UnixStream::pair()?;
    pipe::register(SIGTERM, written.try_clone()?)?;
    pipe::register(SIGINT, written)?;
    Ok(readable)
}
