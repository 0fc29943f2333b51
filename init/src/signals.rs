//! Signals that PID 1 answers (signal(7), systemd(1) "Signals"), through signal-hook.
//!
//! A handler only writes a byte to a socket; everything else happens in the loop.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;

use orlop_supervisor::Shutdown;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// SIGRTMIN as user space counts it: the C library keeps the first two (glibc) or three (musl) of
/// the kernel's for itself, and senders such as systemctl and busybox count from 34 on Linux.
const SIGRTMIN: i32 = 34;

/// One kind of signal, as a stream of "it came at least once".
#[derive(Debug)]
pub struct SignalStream(UnixStream);

impl SignalStream {
    /// Subscribes.
    ///
    /// # Errors
    /// When no socket pair can be made, or the signal cannot be caught.
    pub fn new(signal: i32) -> io::Result<Self> {
        let (reader, writer) = StdUnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        pipe::register(signal, writer)?;
        Ok(Self(UnixStream::from_std(reader)?))
    }

    /// Waits until the signal came since the last call. Signals that came together are one.
    pub async fn recv(&mut self) {
        let mut bytes = [0_u8; 64];
        match self.0.read(&mut bytes).await {
            Ok(count) if count > 0 => {}
            // The writing end lives as long as the process: this cannot be the end of the stream.
            Ok(_) | Err(_) => std::future::pending().await,
        }
    }
}

/// SIGCHLD: somebody's child has ended.
///
/// # Errors
/// As [`SignalStream::new`].
pub fn child_ended() -> io::Result<SignalStream> {
    SignalStream::new(SIGCHLD)
}

/// The signals that end the machine, with what they ask for: SIGTERM and SIGRTMIN+4 power off,
/// SIGINT (Ctrl-Alt-Del) and SIGRTMIN+5 reboot, SIGRTMIN+3 halt.
///
/// # Errors
/// As [`SignalStream::new`].
pub fn shutdown_requests() -> io::Result<Vec<(SignalStream, Shutdown)>> {
    let table = [
        (SIGTERM, Shutdown::PowerOff),
        (SIGRTMIN + 4, Shutdown::PowerOff),
        (SIGINT, Shutdown::Reboot),
        (SIGRTMIN + 5, Shutdown::Reboot),
        (SIGRTMIN + 3, Shutdown::Halt),
    ];
    table
        .into_iter()
        .map(|(signal, asks)| Ok((SignalStream::new(signal)?, asks)))
        .collect()
}
